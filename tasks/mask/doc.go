// Package mask hides secrets in text that people or programs will see.
//
//	inventory.Cluster ──For──▶ Masker ─ Line: somebody's output, an error, a log
//	                                  ─ Text, INI: a whole file, by its format
//
// Equal secrets are hidden alike, so that a change of one shows in a diff.
package mask
