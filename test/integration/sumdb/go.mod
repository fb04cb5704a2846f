module auditkeep.test/sumdb

go 1.23

require golang.org/x/mod v0.20.0
