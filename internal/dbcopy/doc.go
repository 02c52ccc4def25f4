// Package dbcopy moves the content of one Grafana database into another whose schema a
// Grafana of the same version has made, and compares every row afterwards.
//
//	Source     a sqlite file, or a PostgreSQL, MySQL or MariaDB database, in one snapshot
//	Target     a PostgreSQL, MySQL or MariaDB database, in one transaction
//	Look       what both sides hold, and what is in the way: reads only
//	Copy       table after table, then Compare inside the same transaction, then commit
//	Compare    counts and a checksum a table, of the values as the target keeps them
//
// A value goes one way only: what the source stores becomes what the target's column
// keeps (convert.go), and that is what is hashed, sent, read back and hashed again. What
// cannot be kept as it was is told (a [Note]); a row that the target refuses is told with
// its key (a [Broken]) and never left out silently.
//
// The package knows no host and no inventory: whoever calls it opens the connections.
package dbcopy
