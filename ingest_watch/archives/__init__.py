"""Opening serialised packages: zip, tar and tar.gz, into a private folder, under limits."""
