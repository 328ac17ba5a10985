"""The world outside AWS, on loopback: an exchange-rate provider, Slack, and the inbox where mails and posts arrive."""
