//! Files that are not what was written.

use super::*;

/// A folder with an image of two entries and a log of three records; what it holds, and where the log's records begin.
fn written() -> (tempfile::TempDir, Vec<String>, Vec<u64>) {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, _) = Process::start(folder.path(), BOOT);
    process.take(&[token(1), token(2)], "2-0a");
    process.journal.begin(&process.set, &process.state).unwrap();
    let mut ends = vec![process.journal.bytes()];
    for n in 3..6 {
        process.take(&[token(n)], &format!("{n}-0a"));
        ends.push(process.journal.bytes());
    }
    (folder, entries(&process.set), ends)
}

/// A copy of the folder with one file changed, and what is read of it.
fn read_changed(from: &Path, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Option<Restored> {
    let copy = tempfile::tempdir().unwrap();
    for file in files(from) {
        fs::copy(from.join(&file), copy.path().join(&file)).unwrap();
    }
    let path = copy.path().join(name);
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(&path, bytes).unwrap();
    Journal::open(copy.path(), BOOT).unwrap().1
}

#[test]
fn a_flipped_bit_anywhere_means_no_log() {
    let (folder, _, _) = written();
    let image = image(folder.path());
    let image = image.file_name().unwrap().to_str().unwrap();
    for name in ["log", image] {
        let length = fs::metadata(folder.path().join(name)).unwrap().len() as usize;
        for at in 0..length {
            let restored = read_changed(folder.path(), name, |bytes| bytes[at] ^= 1 << (at % 8));
            assert!(restored.is_none(), "byte {at} of {name}");
        }
    }
}

#[test]
fn a_torn_last_record_is_cut_and_the_log_goes_on() {
    let (folder, all, ends) = written();
    for length in ends[2] + 1..ends[3] {
        let cut = |bytes: &mut Vec<u8>| bytes.truncate(length as usize);
        let restored = read_changed(folder.path(), "log", cut).unwrap();
        assert_eq!(restored.torn_bytes, length - ends[2]);
        assert_eq!(entries(&restored.set).len(), all.len() - 1);
        assert_eq!(restored.state.newest_cursor(), "4-0a");
        assert!(restored.same_boot && restored.state.complete);
    }
    let path = folder.path().join("log");
    fs::OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|log| log.set_len(ends[2] + 25))
        .unwrap();
    let (mut process, found) = Process::start(folder.path(), BOOT);
    assert_eq!(found, Some((true, true, 25)));
    process.take(&[token(5)], "5-0a");
    drop(process);
    let (process, found) = Process::start(folder.path(), BOOT);
    assert_eq!(found, Some((true, true, 0)));
    assert_eq!(entries(&process.set), all);
}

#[test]
fn a_record_that_is_missing_or_comes_twice_means_no_log() {
    let (folder, _, ends) = written();
    let record = |n: usize| ends[n] as usize..ends[n + 1] as usize;
    let missing = |bytes: &mut Vec<u8>| drop(bytes.drain(record(1)));
    assert!(read_changed(folder.path(), "log", missing).is_none());
    let twice = |bytes: &mut Vec<u8>| {
        let last = bytes[record(2)].to_vec();
        bytes.extend(last);
    };
    assert!(read_changed(folder.path(), "log", twice).is_none());
    let swapped = |bytes: &mut Vec<u8>| {
        let first = bytes[record(0)].to_vec();
        let second = bytes[record(1)].to_vec();
        bytes.splice(record(0).start..record(1).end, [second, first].concat());
    };
    assert!(read_changed(folder.path(), "log", swapped).is_none());
}

#[test]
fn an_image_that_is_cut_short_or_goes_on_means_no_log() {
    let (folder, _, _) = written();
    let image = image(folder.path());
    let name = image.file_name().unwrap().to_str().unwrap();
    let length = fs::metadata(&image).unwrap().len() as usize;
    for cut in 0..length {
        let restored = read_changed(folder.path(), name, |bytes| bytes.truncate(cut));
        assert!(restored.is_none(), "cut to {cut}");
    }
    let more = |bytes: &mut Vec<u8>| bytes.extend([0; 40]);
    assert!(read_changed(folder.path(), name, more).is_none());
}

#[test]
fn a_log_without_its_image_or_with_another_is_none() {
    let (folder, _, _) = written();
    let image = image(folder.path());
    let bytes = fs::read(&image).unwrap();
    fs::remove_file(&image).unwrap();
    assert!(Journal::open(folder.path(), BOOT).unwrap().1.is_none());

    let (folder, _, _) = written();
    fs::write(super::image(folder.path()), bytes).unwrap();
    assert!(Journal::open(folder.path(), BOOT).unwrap().1.is_none());
}

#[test]
fn after_damage_a_new_log_is_begun() {
    let (folder, _, _) = written();
    fs::write(folder.path().join("log"), b"something else").unwrap();
    let (mut process, found) = Process::start(folder.path(), BOOT);
    assert_eq!(found, None);
    process.take(&[token(9)], "9-0a");
    drop(process);
    let (process, found) = Process::start(folder.path(), BOOT);
    assert_eq!(found, Some((true, true, 0)));
    assert_eq!(entries(&process.set).len(), 1);
}
