//! The shop, release 1.2.

fn main() -> std::process::ExitCode {
    shop::run(shop::release::V1_2)
}
