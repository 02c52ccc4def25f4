// Package desired says what each host shall be, from the inventory and what was read of the
// operator's files. It is pure: the same input gives the same generation, byte for byte.
//
//	inventory.Cluster, Inputs ──Of──▶ Host: a Generation of rendered files, with its id
package desired
