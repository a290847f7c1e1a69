//! The clocks: one for ages, which no correction of the wall clock moves, and the wall clock.

use std::fmt;

use nix::time::{ClockId, clock_gettime};
use rescind_revocation::UnixMillis;
use rescind_runtime::time::unix_now_millis;

/// Where the time comes from. Tests have their own.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// CLOCK_BOOTTIME in milliseconds: it goes on while the machine sleeps, and nobody sets it.
    fn boot_millis(&self) -> u64;

    /// The wall clock.
    fn wall(&self) -> UnixMillis;

    /// Tells one boot of the machine from another. Where the system does not say, each process is a boot of its own.
    fn boot_id(&self) -> u128;
}

/// The system's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn boot_millis(&self) -> u64 {
        // It fails only for a clock that the kernel does not have; this one is as old as Linux 2.6.39.
        let time = clock_gettime(ClockId::CLOCK_BOOTTIME)
            .map_or_else(|_| std::time::Duration::ZERO, std::time::Duration::from);
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
    }

    fn wall(&self) -> UnixMillis {
        UnixMillis(unix_now_millis())
    }

    fn boot_id(&self) -> u128 {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let digits = text.trim().replace('-', "");
        u128::from_str_radix(&digits, 16).unwrap_or_else(|_| rand::random())
    }
}

/// A clock that stands until a test moves it.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct ManualClock {
    boot: std::sync::atomic::AtomicU64,
    wall: std::sync::atomic::AtomicU64,
    pub(crate) boot_id: u128,
}

#[cfg(test)]
impl ManualClock {
    pub(crate) fn at(boot: u64, boot_id: u128) -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self {
            boot: boot.into(),
            wall: 1_700_000_000_000.into(),
            boot_id,
        })
    }

    /// Moves both clocks.
    pub(crate) fn pass(&self, time: std::time::Duration) {
        use std::sync::atomic::Ordering::Relaxed;
        let millis = time.as_millis() as u64;
        self.boot.fetch_add(millis, Relaxed);
        self.wall.fetch_add(millis, Relaxed);
    }

    /// Somebody sets the wall clock.
    pub(crate) fn set_wall(&self, wall: UnixMillis) {
        self.wall
            .store(wall.0, std::sync::atomic::Ordering::Relaxed);
    }
}

#[cfg(test)]
impl Clock for ManualClock {
    fn boot_millis(&self) -> u64 {
        self.boot.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn wall(&self) -> UnixMillis {
        UnixMillis(self.wall.load(std::sync::atomic::Ordering::Relaxed))
    }

    fn boot_id(&self) -> u128 {
        self.boot_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_clocks_go_on_and_its_boot_has_one_name() {
        let clock = SystemClock;
        let before = clock.boot_millis();
        assert!(before > 0 && clock.boot_millis() >= before);
        assert!(clock.wall() > UnixMillis(1_600_000_000_000));
        assert_eq!(clock.boot_id(), clock.boot_id());
    }
}
