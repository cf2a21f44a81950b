use super::*;
use age::secrecy::ExposeSecret;
use std::path::PathBuf;

fn write(folder: &Path, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// A file that is sealed for a new identity, and the identity's file.
fn sealed(folder: &Path, plain: &[u8]) -> (PathBuf, PathBuf) {
    let identity = Identity::generate();
    let recipients = Recipients::parse(&identity.to_public().to_string(), "here").unwrap();
    let mut writer = recipients.seal(Vec::new()).unwrap();
    writer.write_all(plain).unwrap();
    let keys = format!("# created: today\n{}\n", identity.to_string().expose_secret());
    (write(folder, "x.age", writer.finish().unwrap()), write(folder, "key.txt", keys))
}

fn read(path: &Path, identity: Option<&Path>) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    open(path, identity).ok()?.read_to_end(&mut plain).ok().map(|_| plain)
}

#[test]
fn what_is_sealed_is_read_with_the_identity_alone() {
    let folder = tempfile::tempdir().unwrap();
    for length in [0, 1, 65_536, 200_000] {
        let plain: Vec<u8> = (0..length).map(|i: u32| (i % 251) as u8).collect();
        let (file, key) = sealed(folder.path(), &plain);
        assert!(is_sealed(&file).unwrap());
        assert_eq!(read(&file, Some(&key)).unwrap(), plain);
        let failure = open(&file, None).err().unwrap();
        assert!(failure.class == Class::Config && failure.message.ends_with("x.age is encrypted"), "{failure}");
        let other = Identity::generate();
        let other = write(folder.path(), "other.txt", other.to_string().expose_secret());
        assert!(open(&file, Some(&other)).err().unwrap().message.contains("not for the identity in"));
    }
    let plain = write(folder.path(), "plain", "PGDMP");
    assert_eq!(read(&plain, None).unwrap(), b"PGDMP");
}

#[test]
fn no_damage_goes_unseen() {
    let folder = tempfile::tempdir().unwrap();
    let (file, key) = sealed(folder.path(), &[7; 150_000]);
    let whole = std::fs::read(&file).unwrap();
    // The last chunk begins at a multiple of 64 KiB (and its tag) after the head: cutting there leaves whole chunks.
    let head = whole.len() - 150_000 - 3 * 16;
    for end in [0, 5, head, head + 65_536 + 16, head + 2 * (65_536 + 16), whole.len() - 1] {
        let cut = write(folder.path(), "cut", &whole[..end]);
        assert_ne!(read(&cut, Some(&key)), Some(vec![7; 150_000]), "{end}");
        assert!(end < MAGIC.len() || read(&cut, Some(&key)).is_none(), "{end}");
    }
    for at in (0..whole.len()).step_by(997) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        let flipped = write(folder.path(), "flipped", flipped);
        assert_ne!(read(&flipped, Some(&key)), Some(vec![7; 150_000]), "{at}");
    }
}

#[test]
fn mistakes_are_told_without_secrets() {
    let identity = Identity::generate();
    let (public, secret) = (identity.to_public().to_string(), identity.to_string());
    let folder = tempfile::tempdir().unwrap();
    let list = write(folder.path(), "list", format!("# ours\n{public} # ada\n\n{public}\n"));
    assert_eq!(Recipients::read(&list).unwrap().0.len(), 2);
    assert_eq!(Recipients::parse(&format!("{public}, {public}"), "X").unwrap().0.len(), 2);
    for wrong in ["", "#", "age1xyz", "ssh-ed25519 AAAA", secret.expose_secret()] {
        let failure = Recipients::parse(wrong, "BACKUP_AGE_RECIPIENTS").unwrap_err();
        assert!(failure.class == Class::Config && !failure.message.contains("SECRET-KEY-1"), "{failure}");
    }
    let (file, _) = sealed(folder.path(), b"x");
    for wrong in ["", "# nothing\n", "password", public.as_str()] {
        let wrong = write(folder.path(), "wrong", wrong);
        let failure = open(&file, Some(&wrong)).err().unwrap();
        assert!(failure.class == Class::Config && !failure.message.contains("password"), "{failure}");
    }
    assert_eq!(open(&file, Some(Path::new("/nowhere"))).err().unwrap().class, Class::Config);
    assert_eq!(open(Path::new("/nowhere"), None).err().unwrap().class, Class::Storage);
}
