//! Reads a definition's text only to say what is wrong with it as JSON, in the words of Step Functions' own parser (Jackson).

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::str::Chars;

/// Text that is no JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    /// What was found instead of what was expected.
    pub(super) message: String,
    /// `[Source: (String)"…"; line: 1, column: 4]`.
    pub(super) location: String,
}

/// A key that an object has twice; a JSON value shows the last one only.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Duplicate {
    /// Where the object is.
    pub(super) location: String,
    pub(super) key: String,
}

/// Reads the text once; gives the keys that are there twice.
pub(super) fn scan(text: &str) -> Result<Vec<Duplicate>, Malformed> {
    let mut scanner = Scanner { text, rest: text.chars().peekable(), line: 1, column: 1, duplicates: Vec::new(), depth: 0 };
    scanner.value("")?;
    match scanner.next_mark() {
        None => Ok(scanner.duplicates),
        Some(mark) if is_word(mark) => Err(scanner.unrecognized(mark)),
        Some(mark) => Err(scanner.unexpected(mark, "expected the end of the definition")),
    }
}

const VALUES: &str = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";
/// Deeper than any definition; it keeps the stack small.
const DEEPEST: usize = 100;
/// How much of the text a message shows.
const SHOWN: usize = 500;

struct Scanner<'a> {
    text: &'a str,
    rest: Peekable<Chars<'a>>,
    line: usize,
    column: usize,
    duplicates: Vec<Duplicate>,
    depth: usize,
}

impl Scanner<'_> {
    fn value(&mut self, location: &str) -> Result<(), Malformed> {
        self.skip_space();
        let start = (self.line, self.column);
        match self.next_mark() {
            None => Err(self.malformed("Unexpected end-of-input: there is no value".to_owned())),
            Some(mark @ ('{' | '[')) => {
                self.depth += 1;
                if self.depth > DEEPEST {
                    return Err(self.malformed(format!("The definition is nested deeper than {DEEPEST} levels")));
                }
                if mark == '{' {
                    self.object(location, start)?;
                } else {
                    self.array(location, start)?;
                }
                self.depth -= 1;
                Ok(())
            }
            Some('"') => self.string("was expecting closing quote for a string value").map(drop),
            Some(mark) if mark == '-' || mark.is_ascii_digit() => self.number(mark),
            Some(mark) if is_word(mark) => self.word(mark),
            Some(mark) => Err(self.unexpected(mark, &format!("expected a valid value {VALUES}"))),
        }
    }

    fn object(&mut self, location: &str, start: (usize, usize)) -> Result<(), Malformed> {
        let mut keys = BTreeSet::new();
        let mut first = true;
        loop {
            match self.next_mark() {
                Some('}') if first => return Ok(()),
                Some('"') => {}
                Some(mark) => return Err(self.unexpected(mark, "was expecting double-quote to start field name")),
                None if first => return Err(self.unclosed("Object", start)),
                None => return Err(self.malformed("Unexpected end-of-input within/between Object entries".to_owned())),
            }
            first = false;
            let key = self.string("in field name")?;
            match self.next_mark() {
                Some(':') => {}
                Some(mark) => return Err(self.unexpected(mark, "was expecting a colon to separate field name and value")),
                None => return Err(self.malformed("Unexpected end-of-input within/between Object entries".to_owned())),
            }
            self.value(&format!("{location}/{key}"))?;
            if !keys.insert(key.clone()) {
                self.duplicates.push(Duplicate { location: location.to_owned(), key });
            }
            match self.next_mark() {
                Some(',') => {}
                Some('}') => return Ok(()),
                Some(mark) => return Err(self.unexpected(mark, "was expecting comma to separate Object entries")),
                None => return Err(self.unclosed("Object", start)),
            }
        }
    }

    fn array(&mut self, location: &str, start: (usize, usize)) -> Result<(), Malformed> {
        self.skip_space();
        if self.rest.peek() == Some(&']') {
            self.advance();
            return Ok(());
        }
        for index in 0.. {
            self.value(&format!("{location}[{index}]"))?;
            match self.next_mark() {
                Some(',') => {}
                Some(']') => break,
                Some(mark) => return Err(self.unexpected(mark, "was expecting comma to separate Array entries")),
                None => return Err(self.unclosed("Array", start)),
            }
        }
        Ok(())
    }

    /// What follows a double quote.
    fn string(&mut self, unclosed: &str) -> Result<String, Malformed> {
        let mut read = String::new();
        loop {
            match self.advance() {
                None => return Err(self.malformed(format!("Unexpected end-of-input: {unclosed}"))),
                Some('"') => return Ok(read),
                Some('\\') => match self.advance() {
                    Some(mark @ ('"' | '\\' | '/')) => read.push(mark),
                    Some('b' | 'f' | 'n' | 'r' | 't') => read.push(' '),
                    Some('u') => {
                        let digits: String = std::iter::from_fn(|| self.rest.next_if(char::is_ascii_hexdigit)).take(4).collect();
                        self.column += digits.len();
                        match (digits.len(), u32::from_str_radix(&digits, 16)) {
                            (4, Ok(code)) => read.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)),
                            _ => return Err(self.malformed("expected a hex-digit for character escape sequence".to_owned())),
                        }
                    }
                    Some(mark) => {
                        return Err(self.malformed(format!("Unrecognized character escape '{mark}' (code {})", u32::from(mark))));
                    }
                    None => return Err(self.malformed(format!("Unexpected end-of-input: {unclosed}"))),
                },
                Some(mark) if u32::from(mark) < 0x20 => {
                    return Err(self.malformed(format!(
                        "Illegal unquoted character ((CTRL-CHAR, code {})): has to be escaped using backslash to be included in string value",
                        u32::from(mark)
                    )));
                }
                Some(mark) => read.push(mark),
            }
        }
    }

    fn number(&mut self, first: char) -> Result<(), Malformed> {
        let mut number = first.to_string();
        while let Some(mark) = self.rest.peek().copied().filter(|mark| mark.is_ascii_digit() || "+-.eE".contains(*mark)) {
            number.push(mark);
            self.advance();
        }
        if serde_json::from_str::<serde_json::Number>(&number).is_ok() {
            return Ok(());
        }
        let digits = number.trim_start_matches('-');
        Err(self.malformed(if digits.len() > 1 && digits.starts_with('0') {
            "Invalid numeric value: Leading zeroes not allowed".to_owned()
        } else {
            format!("Invalid numeric value: {number}")
        }))
    }

    fn word(&mut self, first: char) -> Result<(), Malformed> {
        let word = self.whole_word(first);
        if ["true", "false", "null"].contains(&word.as_str()) { Ok(()) } else { Err(self.unrecognized_word(&word)) }
    }

    fn whole_word(&mut self, first: char) -> String {
        let mut word = first.to_string();
        while let Some(mark) = self.rest.peek().copied().filter(|mark| is_word(*mark) || mark.is_ascii_digit()) {
            word.push(mark);
            self.advance();
        }
        word
    }

    fn unrecognized(&mut self, first: char) -> Malformed {
        let word = self.whole_word(first);
        self.unrecognized_word(&word)
    }

    fn unrecognized_word(&self, word: &str) -> Malformed {
        self.malformed(format!("Unrecognized token '{word}': was expecting {VALUES}"))
    }

    fn unexpected(&self, mark: char, expected: &str) -> Malformed {
        self.malformed(format!("Unexpected character ('{mark}' (code {})): {expected}", u32::from(mark)))
    }

    fn unclosed(&self, what: &str, (line, column): (usize, usize)) -> Malformed {
        let start = self.source(line, column);
        self.malformed(format!("Unexpected end-of-input: expected close marker for {what} (start marker at {start})"))
    }

    fn malformed(&self, message: String) -> Malformed {
        Malformed { message, location: self.source(self.line, self.column) }
    }

    fn source(&self, line: usize, column: usize) -> String {
        let length = self.text.chars().count();
        let shown: String = self.text.chars().take(SHOWN).collect();
        let left = if length > SHOWN { format!("[truncated {} chars]", length - SHOWN) } else { String::new() };
        format!("[Source: (String)\"{shown}\"{left}; line: {line}, column: {column}]")
    }

    /// The next character that is no white space.
    fn next_mark(&mut self) -> Option<char> {
        self.skip_space();
        self.advance()
    }

    fn skip_space(&mut self) {
        while self.rest.peek().is_some_and(|mark| matches!(mark, ' ' | '\t' | '\n' | '\r')) {
            self.advance();
        }
    }

    fn advance(&mut self) -> Option<char> {
        let mark = self.rest.next()?;
        if mark == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(mark)
    }
}

fn is_word(mark: char) -> bool {
    mark.is_alphabetic() || mark == '_' || mark == '$'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (String, String) {
        let malformed = scan(text).expect_err("it is no JSON");
        (malformed.message, malformed.location)
    }

    #[test]
    fn a_word_that_is_none_is_told_with_the_column_behind_it() {
        let (message, location) = refused("{\n  \"StartAt\": Yes }");
        assert_eq!(message, format!("Unrecognized token 'Yes': was expecting {VALUES}"));
        assert!(location.ends_with("; line: 2, column: 17]"), "{location}");
    }

    #[test]
    fn what_is_missing_is_told() {
        for (text, said) in [
            ("{\"a\": 1,}", "Unexpected character ('}' (code 125)): was expecting double-quote to start field name"),
            ("{\"a\" 1}", "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value"),
            ("{\"a\": 1 \"b\": 2}", "Unexpected character ('\"' (code 34)): was expecting comma to separate Object entries"),
            ("[1 2]", "Unexpected character ('2' (code 50)): was expecting comma to separate Array entries"),
            (
                "{",
                "Unexpected end-of-input: expected close marker for Object (start marker at [Source: (String)\"{\"; line: 1, column: 1])",
            ),
            ("{\"a\": 01}", "Invalid numeric value: Leading zeroes not allowed"),
        ] {
            assert_eq!(refused(text).0, said, "{text}");
        }
    }

    #[test]
    fn a_long_text_is_shown_in_part() {
        let (_, location) = refused(&format!("{}x", " ".repeat(600)));
        assert!(location.contains("\"[truncated 101 chars]; line: 1"), "{location}");
    }

    #[test]
    fn a_key_that_is_there_twice_is_found_with_its_object() {
        let found = scan(r#"{"States": {"A": [{"b": 1, "b": 2}], "A": {}}}"#).expect("it is JSON");
        let found: Vec<_> = found.iter().map(|duplicate| (duplicate.location.as_str(), duplicate.key.as_str())).collect();
        assert_eq!(found, [("/States/A[0]", "b"), ("/States", "A")]);
    }

    #[test]
    fn whatever_is_json_is_taken() {
        for text in [r#"{"a": [true, false, null, -1.5e3, "é\u00e9\n"], "b": {}}"#, "[]", "\"x\"", " 3 "] {
            assert_eq!(scan(text), Ok(Vec::new()), "{text}");
        }
    }
}
