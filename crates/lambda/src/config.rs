//! Configuration from the environment, parsed once into types. The only place that reads environment variables.

use std::fmt::Display;
use std::str::FromStr;

use nightly_domain::Named;

/// A variable is missing or says something it can't mean. There is no fallback.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {variable}: {problem}")]
pub struct InvalidConfiguration {
    variable: String,
    problem: String,
}

impl Named for InvalidConfiguration {
    fn name(&self) -> &'static str {
        "InvalidConfiguration"
    }
}

impl InvalidConfiguration {
    /// `problem` says what is wrong with the variable, without its value where that is a secret.
    pub fn new(variable: &str, problem: impl Into<String>) -> Self {
        Self { variable: variable.to_owned(), problem: problem.into() }
    }
}

/// The variable's value as a `T`.
pub fn required<T>(variable: &str) -> Result<T, InvalidConfiguration>
where
    T: FromStr,
    T::Err: Display,
{
    let text = text(variable).ok_or_else(|| InvalidConfiguration::new(variable, "is not set"))?;
    text.parse().map_err(|error: T::Err| InvalidConfiguration::new(variable, format!("«{text}»: {error}")))
}

/// The variable's value as a `T`, or `None` where it is unset or empty: templates can't leave a variable out.
pub fn optional<T>(variable: &str) -> Result<Option<T>, InvalidConfiguration>
where
    T: FromStr,
    T::Err: Display,
{
    if text(variable).is_none() { Ok(None) } else { required(variable).map(Some) }
}

/// The items of a comma-separated variable, at least one.
pub fn list(variable: &str) -> Result<Vec<String>, InvalidConfiguration> {
    let items = items(&required::<String>(variable)?);
    if items.is_empty() { Err(InvalidConfiguration::new(variable, "lists nothing")) } else { Ok(items) }
}

/// The items of a comma-separated variable, none where it is unset or empty.
pub fn optional_list(variable: &str) -> Result<Vec<String>, InvalidConfiguration> {
    Ok(items(&optional::<String>(variable)?.unwrap_or_default()))
}

fn items(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

#[expect(clippy::disallowed_methods, reason = "this is the one place where the environment is read")]
fn text(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_variable_is_named() {
        let error = required::<u32>("NIGHTLY_NO_SUCH_VARIABLE").unwrap_err();
        assert_eq!(error.to_string(), "environment variable NIGHTLY_NO_SUCH_VARIABLE: is not set");
        assert_eq!(optional::<u32>("NIGHTLY_NO_SUCH_VARIABLE"), Ok(None));
    }

    #[test]
    fn a_list_may_be_left_empty_where_that_is_said() {
        assert_eq!(optional_list("NIGHTLY_NO_SUCH_VARIABLE"), Ok(Vec::new()));
        assert!(list("NIGHTLY_NO_SUCH_VARIABLE").is_err());
        assert_eq!(items(" a@x.example, ,b@x.example,"), ["a@x.example", "b@x.example"]);
    }

    #[test]
    fn a_value_that_cannot_be_read_is_quoted() {
        // Cargo sets this one for every test.
        let error = required::<u32>("CARGO_PKG_NAME").unwrap_err();
        assert!(error.to_string().starts_with("environment variable CARGO_PKG_NAME: «nightly-lambda»"), "{error}");
    }
}
