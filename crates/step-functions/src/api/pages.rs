//! Lists that are answered in pages.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

const DEFAULT_RESULTS: usize = 100;
const MOST_RESULTS: usize = 1000;

/// Where a list goes on, and in which list: a token is good for the request that it came from.
#[derive(Serialize, Deserialize)]
struct Bookmark<'a> {
    list: &'a str,
    after: usize,
    of: usize,
}

/// One page of a list and the token of the next. `of` tells the list, so that what is added meanwhile moves nothing: a list
/// grows at its end, or, newest first, at its beginning.
pub(super) struct Page {
    pub(super) range: std::ops::Range<usize>,
    /// How long the list was when its first page was asked for.
    pub(super) of: usize,
    pub(super) next_token: Option<String>,
}

pub(super) fn page(list: &str, length: usize, most: Option<usize>, token: Option<&str>) -> Result<Page, Refusal> {
    let most = match most {
        None | Some(0) => DEFAULT_RESULTS,
        Some(most) if most <= MOST_RESULTS => most,
        Some(_) => return Err(Refusal::validation("maxResults must be at most 1000")),
    };
    let invalid = || Refusal::new("InvalidToken", "Invalid Token: 'Invalid token'");
    let (after, of) = match token {
        None => (0, length),
        Some(token) => {
            let text = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid())?;
            let bookmark: Bookmark<'_> = serde_json::from_slice(&text).map_err(|_| invalid())?;
            if bookmark.list != list || bookmark.after > bookmark.of || bookmark.of > length {
                return Err(invalid());
            }
            (bookmark.after, bookmark.of)
        }
    };
    let end = of.min(after + most);
    let next_token = (end < of).then(|| {
        let bookmark = serde_json::to_vec(&Bookmark { list, after: end, of }).expect("a bookmark is JSON");
        URL_SAFE_NO_PAD.encode(bookmark)
    });
    Ok(Page { range: after..end, of, next_token })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_told_whole_in_pages_while_it_grows() {
        let first = page("history of a", 5, Some(2), None).unwrap();
        assert_eq!((first.range, first.of), (0..2, 5));
        let second = page("history of a", 9, Some(2), first.next_token.as_deref()).unwrap();
        assert_eq!((second.range, second.of), (2..4, 5));
        let last = page("history of a", 9, Some(2), second.next_token.as_deref()).unwrap();
        assert_eq!((last.range, last.next_token), (4..5, None));
    }

    #[test]
    fn a_token_of_another_list_or_of_none_is_refused() {
        let token = page("history of a", 5, Some(2), None).unwrap().next_token;
        for (list, token) in [("history of b", token.as_deref()), ("history of a", Some("nonsense"))] {
            assert_eq!(page(list, 5, Some(2), token).err().map(|refusal| refusal.name), Some("InvalidToken"));
        }
        assert!(page("history of a", 5, Some(1001), None).is_err());
    }
}
