//! Secrets from the operating system's randomness.

use nightly_domain::link::Secret;
use nightly_domain::ports::{PortError, Secrets};

/// The operating system.
#[derive(Debug, Clone, Copy)]
pub struct OsSecrets;

impl Secrets for OsSecrets {
    fn secret(&self) -> Result<Secret, PortError> {
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|error| PortError::new("reading randomness", error))?;
        Ok(Secret::new(random))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_secrets_are_the_same() {
        assert_ne!(OsSecrets.secret().unwrap().hash(), OsSecrets.secret().unwrap().hash());
    }
}
