//! What our pages share: style, header, icons, written dates and numbers.
//!
//! A function's template says `{% extends "frame.html" %}`, and its `askama.toml` says where that is:
//!
//! ```toml
//! [general]
//! dirs = ["templates", "../pages/templates"]
//! whitespace = "minimize"
//! ```

pub mod written;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::LazyLock;

use askama::filters::HtmlSafe;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// The rules and colours of every page. A page adds its own in a second `<style>`.
pub const STYLE: &str = include_str!("../style/base.css");

/// What stands around a page's content; the field `frame` of every template that extends `frame.html`.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Shown beside the name, such as `prod`.
    pub environment: &'a str,
    /// The page's own rules, on top of [`STYLE`].
    pub style: &'a str,
}

static COMPACT_STYLE: LazyLock<Compact> = LazyLock::new(|| Compact::of(STYLE));

/// A style as pages carry it, and the source expression for it.
struct Compact {
    style: String,
    hash: String,
}

impl Compact {
    fn of(style: &str) -> Self {
        let style = compact(style);
        Self { hash: csp_style_hash(&style), style }
    }
}

thread_local! {
    /// The own styles that were made compact so far. A program has few, and carries them on every page.
    static OWN_STYLES: RefCell<Vec<(String, Rc<Compact>)>> = const { RefCell::new(Vec::new()) };
}

fn own_style(style: &str) -> Rc<Compact> {
    OWN_STYLES.with_borrow_mut(|styles| {
        if let Some((_, known)) = styles.iter().find(|(known, _)| known == style) {
            return Rc::clone(known);
        }
        let made = Rc::new(Compact::of(style));
        styles.push((style.to_owned(), Rc::clone(&made)));
        made
    })
}

impl Frame<'_> {
    /// [`STYLE`], for the template.
    pub fn base_style(&self) -> &'static str {
        &COMPACT_STYLE.style
    }

    /// The page's own rules, for the template.
    pub fn own_style(&self) -> String {
        own_style(self.style).style.clone()
    }

    /// The strictest policy under which the page still looks right: nothing is loaded, nothing runs, only its two styles apply.
    ///
    /// `form_action` is where forms may go: `'none'` or `'self'`. Where the policy is a header and not a `<meta>`, add
    /// `frame-ancestors 'none'`: browsers take that from headers only.
    pub fn content_security_policy(&self, form_action: &str) -> String {
        let (shared, own) = (&COMPACT_STYLE.hash, &own_style(self.style).hash);
        format!("default-src 'none'; style-src {shared} {own}; base-uri 'none'; form-action {form_action}")
    }
}

/// The same rules without comments and without the space that only people need: every page carries them.
pub fn compact(style: &str) -> String {
    let mut compact = String::with_capacity(style.len());
    let mut rest = style;
    while let Some(character) = rest.chars().next() {
        if rest.starts_with("/*") {
            rest = rest.split_once("*/").map_or("", |(_, after)| after);
            continue;
        }
        let length = if matches!(character, '"' | '\'') {
            rest[1..].find(character).map_or(rest.len(), |end| end + 2)
        } else if character.is_whitespace() {
            rest.len() - rest.trim_start().len()
        } else {
            character.len_utf8()
        };
        let (piece, after) = rest.split_at(length);
        rest = after;
        if character.is_whitespace() {
            // Before a colon, space tells `a :hover` from `a:hover`.
            if !compact.ends_with(['{', '}', ';', ',', ':', ' ']) && !compact.is_empty() {
                compact.push(' ');
            }
            continue;
        }
        if matches!(character, '{' | '}' | ';' | ',') && compact.ends_with(' ') {
            compact.pop();
        }
        if character == '}' && compact.ends_with(';') {
            compact.pop();
        }
        compact.push_str(piece);
    }
    compact.truncate(compact.trim_end().len());
    compact
}

/// The source expression that lets a `<style>` with exactly this text apply: `'sha256-…'`.
pub fn csp_style_hash(style: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(style)))
}

/// A state's sign. Its colour is repeated by its shape, so that it reads without colour, too. In a template, `{{ Icon::Ok }}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Icon {
    /// A tick in a disc.
    Ok,
    /// A clock.
    Wait,
    /// An exclamation mark in a triangle, in the colour of waiting.
    Note,
    /// A cross in a square on its tip.
    Bad,
    /// A dashed ring.
    Idle,
}

impl Icon {
    /// The symbol's id in the frame.
    pub fn id(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Wait => "wait",
            Self::Note => "note",
            Self::Bad => "bad",
            Self::Idle => "idle",
        }
    }

    /// The class that gives the sign its colour.
    pub fn class(self) -> &'static str {
        match self {
            Self::Note => "wait",
            other => other.id(),
        }
    }
}

impl fmt::Display for Icon {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, r##"<svg class="ic {}" aria-hidden="true"><use href="#{}"/></svg>"##, self.class(), self.id())
    }
}

impl HtmlSafe for Icon {}

#[cfg(test)]
mod tests {
    use askama::Template;

    use super::*;

    #[derive(Template)]
    #[template(path = "frame.html")]
    struct Bare<'a> {
        frame: Frame<'a>,
    }

    #[test]
    fn the_frame_escapes_what_it_is_given_and_keeps_styles_as_they_are() {
        let frame = Frame { environment: "<prod>", style: ".a > .b { color: red }" };
        let page = Bare { frame }.render().unwrap();
        assert!(page.contains(r#"<span class="tag">&#60;prod&#62;</span>"#), "{page}");
        assert!(page.contains("<style>.a > .b{color:red}</style>"), "{page}");
        for style in page.split("<style>").skip(1).filter_map(|rest| rest.split_once("</style>")) {
            let hash = csp_style_hash(style.0);
            assert!(frame.content_security_policy("'none'").contains(&hash), "the hash covers the text between the tags, byte for byte");
        }
    }

    #[test]
    fn a_compact_style_says_the_same() {
        for (style, same) in [
            ("/* Why. */\n.a, .b > i {\n  color: red;\n  margin: 0 auto;\n}\n", ".a,.b > i{color:red;margin:0 auto}"),
            (".a :hover { content: \"; {  a: b\"; }", ".a :hover{content:\"; {  a: b\"}"),
            (
                "@media (min-width: 3rem) and (color) { a { width: calc(1px + 2px) } }",
                "@media (min-width:3rem) and (color){a{width:calc(1px + 2px)}}",
            ),
            (".a /* x */.b /* y */ { font: 1rem/1.5 'A B' }", ".a .b{font:1rem/1.5 'A B'}"),
        ] {
            assert_eq!(compact(style), same);
            assert_eq!(compact(same), same);
        }
    }

    #[test]
    fn every_icon_has_its_symbol_in_the_frame() {
        let page = Bare { frame: Frame { environment: "dev", style: "" } }.render().unwrap();
        for icon in [Icon::Ok, Icon::Wait, Icon::Note, Icon::Bad, Icon::Idle] {
            assert!(page.contains(&format!(r#"<symbol id="{}""#, icon.id())), "{icon:?}");
            assert!(STYLE.contains(&format!(".{} {{", icon.class())), "{icon:?} has a colour");
        }
    }

    #[test]
    fn a_style_is_named_by_its_digest() {
        // The digest of the empty text, as FIPS 180-4 implementations agree on it.
        assert_eq!(csp_style_hash(""), "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='");
        let policy = Frame { environment: "dev", style: "" }.content_security_policy("'none'");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(policy.ends_with("'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='; base-uri 'none'; form-action 'none'"), "{policy}");
    }
}
