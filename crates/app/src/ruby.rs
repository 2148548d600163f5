//! Ruby projects, in the order in which they become a running application.
//!
//! ```text
//!   gems         what does it need?      Gemfile.lock, Gemfile -> names and versions
//!   interpreter  with what does it run?  ruby on the PATH
//!   bundle       its gems                bundle check, bundle install
//!   environment  its variables           RAILS_ENV, SECRET_KEY_BASE ...
//!   assets       its static files        rails assets:precompile
//!   server       its processes           davy's worker, or Puma
//! ```
//! What is taken for Ruby is decided in [`crate::detect`].

pub mod assets;
pub mod bundle;
pub mod environment;
pub mod gems;
pub mod interpreter;
pub mod server;
