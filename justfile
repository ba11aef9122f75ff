# `just` lists these; each is one command that also works by hand.

default:
    @just --list

# All tests, as CI runs them.
test:
    cargo test

# Format, lints, tests, docs, examples: what has to pass before a change lands.
ci:
    bash .ci/run

# Accept changed snapshots after reading them.
bless:
    INSTA_UPDATE=always cargo test

# Speed of single layers beside the machine's peak.
bench:
    cargo bench --bench programs

# Random models for longer than the tests do.
fuzz cases="20000":
    PROPTEST_CASES={{cases}} cargo test --test suite

# The edge picture of the README.
picture:
    cargo run --release -- run examples/edges.conv -o docs/edges.png
