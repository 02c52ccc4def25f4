// Package artifact finds what is deployed, on the operator's machine or where that
// downloads it from, and looks into it before any host is touched.
//
//	inventory.Artifact ──▶ Store.Release ─▶ desired.Release    version, architecture, checksum, size
//	inventory.Plugin   ──▶ Store.Plugins ─▶ desired.Plugin     its files, to be streamed
//
// An archive is what its checksum says, and holds what the inventory says, or it is
// refused. Downloads are kept under their checksum. With delivery: pull only the
// checksum is read here; the hosts download the release and verify it.
package artifact
