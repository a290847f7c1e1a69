//! What a bad network, or a broker that dies, does to the adapter's connection in one round.

use std::time::Duration;

use rand::{RngExt as _, rngs::StdRng};
use rescind_stack::Part;
use tokio::time::sleep;

use super::{
    proxy::{Line, Proxy, Way},
    seed::is_soak,
};
use crate::world::World;

/// What happens in a round.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    Cut,
    HalfClose(Way),
    /// The line is that for a while, and then whole again.
    Bad(Line, Duration),
    /// The same, and then everything is cut.
    BadThenCut(Line, Duration),
    BrokerDies,
}

impl Fault {
    /// All of them. Seven of the ten end any connection that stands. How long each takes is drawn later.
    pub(crate) const ALL: [Self; 10] = [
        Self::Cut,
        Self::HalfClose(Way::Up),
        Self::HalfClose(Way::Down),
        Self::Bad(Line::Slow(Duration::ZERO), Duration::ZERO),
        Self::Bad(Line::Stalled, Duration::ZERO),
        Self::BadThenCut(Line::Stalled, Duration::ZERO),
        Self::BadThenCut(Line::Swallowing, Duration::ZERO),
        Self::Bad(Line::Swallowing, Duration::ZERO),
        Self::Bad(Line::Refusing, Duration::ZERO),
        Self::BrokerDies,
    ];

    /// The same with times of chance.
    pub(crate) fn drawn(self, chance: &mut StdRng) -> Self {
        // Longer than two heartbeats: then the adapter gives the connection up by itself.
        let longest = if is_soak() && chance.random_bool(0.1) {
            12_000
        } else {
            500
        };
        let time = Duration::from_millis(chance.random_range(0..longest));
        let delay = Duration::from_millis(chance.random_range(1..50));
        let line = |line| match line {
            Line::Slow(_) => Line::Slow(delay),
            other => other,
        };
        match self {
            Self::Bad(bad, _) => Self::Bad(line(bad), time),
            Self::BadThenCut(bad, _) => Self::BadThenCut(line(bad), time),
            Self::Cut | Self::HalfClose(_) | Self::BrokerDies => self,
        }
    }

    /// Has it happen, until it is over. Where it ends every connection that stands: how many there had been by then.
    pub(crate) async fn happen(self, proxy: &Proxy, world: &World) -> Option<usize> {
        match self {
            Self::Cut => Some(proxy.cut()),
            Self::HalfClose(way) => Some(proxy.half_close(way)),
            Self::Bad(line, time) => {
                proxy.set(line);
                // One that is refused for no time at all might not notice.
                let over = (line == Line::Refusing).then(|| proxy.cut());
                sleep(time).await;
                proxy.set(Line::Open);
                over
            }
            Self::BadThenCut(line, time) => {
                proxy.set(line);
                sleep(time).await;
                let over = proxy.cut();
                proxy.set(Line::Open);
                Some(over)
            }
            Self::BrokerDies => {
                world.kill_9_for_good(Part::Broker).await;
                let over = proxy.accepted();
                world.begin(Part::Broker).await;
                Some(over)
            }
        }
    }
}
