//! The scenario page in a real, headless Chromium, driven over WebDriver as a user would: by keyboard, by click, at
//! phone width, in the dark, offline. What the page then shows is held against the real backends.
//!
//! `rows` is the list of what must be true; `chromium` starts and stops the browser; `page` presses and reads;
//! `backends` looks up what the page shows; `judge` decides.

mod backends;
mod chromium;
mod judge;
mod page;
mod rows;

pub use rows::rows;
