"""What a source says it sent, held against what came: docs/formats/tally.md."""
