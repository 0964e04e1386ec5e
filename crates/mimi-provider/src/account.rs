//! Accounts and devices: what the provider decides about its own users.
