//! Any sequence of replies cut anywhere, refusals in every place, and garbage.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const READONLY: &[u8] = b"-READONLY You can't write against a read only replica.\r\n";

/// Feeds the pieces, and returns what passed before a refusal, if there was one.
fn passes<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, bool) {
    let (mut replies, mut passed) = (Replies::default(), Vec::new());
    for piece in pieces {
        if let Some(length) = replies.follow(piece) {
            passed.extend_from_slice(&piece[..length]);
            return (passed, true);
        }
        passed.extend_from_slice(piece);
    }
    (passed, false)
}

fn is_refused(bytes: &[u8]) -> bool {
    let whole = passes([bytes]);
    let (_, refused) = passes(bytes.chunks(1));
    assert_eq!(whole.1, refused, "{}", bytes.escape_ascii());
    refused
}

/// After which of these bytes no reply is under way.
fn boundaries(bytes: &[u8]) -> Vec<usize> {
    let mut replies = Replies::default();
    (1..=bytes.len())
        .filter(|end| replies.follow(&bytes[end - 1..*end]).is_none() && replies.is_between())
        .collect()
}

#[test]
fn it_is_small() {
    assert!(size_of::<Replies>() <= 24, "{}", size_of::<Replies>());
}

#[test]
fn knows_the_refusals() {
    for refusal in [
        READONLY,
        b"-READONLY You can't write against a read only replica. script: ff96, on @user_script:1.\r\n",
        b"-READONLY Can not run script with write flag on readonly replica\r\n",
        b"-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)\r\n",
        b"-EXECABORT Transaction discarded because of: READONLY You can't write against a read only replica.\r\n",
    ] {
        assert!(is_refused(refusal), "{}", refusal.escape_ascii());
        let mut after = b"+OK\r\n*2\r\n$1\r\na\r\n:1\r\n".to_vec();
        let before = after.len();
        after.extend_from_slice(refusal);
        after.extend_from_slice(b"+OK\r\n");
        assert_eq!(passes([&after[..]]), (after[..before].to_vec(), true));
    }
}

#[test]
fn takes_nothing_else_for_a_refusal() {
    for other in [
        &b"-READONLY this script's own words\r\n"[..],
        b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n",
        b"-UNBLOCKED the stream key no longer exists\r\n",
        b"-EXECABORT Transaction discarded because of previous errors.\r\n",
        b"-ERR -READONLY You can't write\r\n",
        b"+READONLY You can't write\r\n",
        b"$25\r\n-READONLY You can't write\r\n",
        b"*1\r\n-READONLY You can't write against\r\n",
        b"%1\r\n+a\r\n-UNBLOCKED force unblock\r\n",
        b"-\r\n",
        b"-READONLY You can't\r\n",
    ] {
        assert!(!is_refused(other), "{}", other.escape_ascii());
        let mut then = other.to_vec();
        then.extend_from_slice(READONLY);
        assert!(is_refused(&then), "{}", then.escape_ascii());
    }
}

#[test]
fn what_it_does_not_understand_makes_it_lost_for_good() {
    for strange in [
        &b"\x16\x03\x01"[..],
        b"$?\r\n",
        b"*?\r\n",
        b";1\r\n",
        b"$-2\r\n",
        b"$+1\r\n",
        b"$01\r\n",
        b"$\r\n",
        b"%-1\r\n",
        b"$1\ra",
        b"$1\r\nab\r\n",
        b"+OK\n",
        b"+OK\r+",
        b"*99999999999999999999\r\n",
        b"%9999999999999999999\r\n",
        b"$EOF:0123456789\r\n",
        b"\r\n",
    ] {
        let mut all = strange.to_vec();
        all.extend_from_slice(b"\r\n");
        all.extend_from_slice(READONLY);
        assert!(!is_refused(&all), "{}", strange.escape_ascii());
        let mut replies = Replies::default();
        replies.follow(&all);
        assert!(replies.is_lost() && !replies.is_between());
    }
    assert_eq!(Replies::lost().follow(READONLY), None);
}

#[test]
fn what_was_cut_within_its_beginning_is_known_at_its_end() {
    let (first, second) = READONLY.split_at(9);
    assert_eq!(passes([first, second]), (first.to_vec(), true));
    let mut replies = Replies::default();
    assert_eq!(replies.follow(b"+OK\r\n-READ"), None);
    assert_eq!(replies.follow(b"ONLY You can't write"), Some(0));
}

#[test]
fn counts_what_aggregates_hold() {
    for reply in [
        &b"*0\r\n"[..],
        b"*-1\r\n",
        b"$-1\r\n",
        b"$0\r\n\r\n",
        b"*2\r\n*0\r\n*1\r\n$-1\r\n",
        b"%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n#t\r\n",
        b"|1\r\n+ttl\r\n:3\r\n*1\r\n,1.5\r\n",
        b"|0\r\n+x\r\n",
        b"~2\r\n(123\r\n_\r\n",
        b">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n",
        b"=7\r\ntxt:abc\r\n",
        b"!3\r\nERR\r\n",
    ] {
        assert_eq!(boundaries(reply), [reply.len()], "{}", reply.escape_ascii());
    }
}

/// One reply of any kind. Bodies and elements often hold what would be a refusal elsewhere.
fn reply() -> impl Strategy<Value = Vec<u8>> {
    let body = prop_oneof![
        vec(any::<u8>(), 0..40),
        Just(READONLY.to_vec()),
        Just(b"\r\n-UNBLOCKED force unblock\r\n".to_vec()),
    ];
    let blob = (body, prop_oneof![Just('$'), Just('='), Just('!')]).prop_map(|(body, mark)| {
        let mut bytes = format!("{mark}{}\r\n", body.len()).into_bytes();
        bytes.extend(body);
        bytes.extend(b"\r\n");
        bytes
    });
    let line = "[+:_#,(][ -~]{0,20}\r\n".prop_map(String::into_bytes);
    let error = "-(ERR|READONLY|UNBLOCKED) [ -B]{0,20}\r\n".prop_map(String::into_bytes);
    let null = prop_oneof![Just(b"$-1\r\n".to_vec()), Just(b"*-1\r\n".to_vec())];
    let leaf = prop_oneof![blob, line, error, null];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let list = (vec(inner.clone(), 0..6), prop_oneof![Just('*'), Just('~')]);
        let list = list.prop_map(|(items, mark)| aggregate(mark, items.len(), &items));
        let map = vec((inner.clone(), inner.clone()), 0..3);
        let map = map.prop_map(|pairs| {
            let count = pairs.len();
            let items: Vec<Vec<u8>> = pairs.into_iter().flat_map(|(k, v)| [k, v]).collect();
            aggregate('%', count, &items)
        });
        let noted = (inner.clone(), inner.clone(), inner).prop_map(|(key, value, itself)| {
            let mut bytes = aggregate('|', 1, &[key, value]);
            bytes.extend(itself);
            bytes
        });
        prop_oneof![list, map, noted]
    })
}

fn aggregate(mark: char, count: usize, items: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("{mark}{count}\r\n").into_bytes();
    bytes.extend(items.concat());
    bytes
}

/// The bytes, cut at these places.
fn cut<'a>(bytes: &'a [u8], places: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut ends: Vec<usize> = places
        .iter()
        .map(|place| place.index(bytes.len() + 1))
        .collect();
    ends.sort_unstable();
    ends.push(bytes.len());
    let mut begun = 0;
    ends.into_iter()
        .map(|end| &bytes[std::mem::replace(&mut begun, end)..end])
        .collect()
}

proptest! {
    #[test]
    fn replies_end_where_they_end(replies in vec(reply(), 0..8)) {
        let ends: Vec<usize> = replies
            .iter()
            .scan(0, |end, reply| {
                *end += reply.len();
                Some(*end)
            })
            .collect();
        prop_assert_eq!(boundaries(&replies.concat()), ends);
    }

    #[test]
    fn a_refusal_is_found_wherever_the_stream_is_cut(
        replies in vec(reply(), 0..8),
        places in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut bytes = replies.concat();
        let before = bytes.len();
        prop_assert_eq!(passes(cut(&bytes, &places)), (bytes.clone(), false));
        bytes.extend_from_slice(READONLY);
        let (passed, refused) = passes(cut(&bytes, &places));
        prop_assert!(refused);
        // Of the refusal itself only a beginning that was no refusal yet.
        prop_assert!(passed.len() >= before && passed.len() < before + REFUSALS[0].len());
        prop_assert_eq!(&passed[..before], &bytes[..before]);
    }

    #[test]
    fn garbage_does_no_harm(pieces in vec(vec(any::<u8>(), 0..50), 0..8)) {
        let _ = passes(pieces.iter().map(Vec::as_slice));
    }

    #[test]
    fn near_replies_are_followed_alike_however_they_are_cut(
        text in "([*$%|>~=!+-][0-9-]{0,3}(\r\n){0,1}[a-z]{0,3}(\r\n){0,2}){0,12}",
        places in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let (mut whole, mut pieces) = (Replies::default(), Replies::default());
        let _ = whole.follow(text.as_bytes());
        for piece in cut(text.as_bytes(), &places) {
            let _ = pieces.follow(piece);
        }
        prop_assert_eq!(whole.is_lost(), pieces.is_lost());
        prop_assert_eq!(whole.is_between(), pieces.is_between());
    }
}
