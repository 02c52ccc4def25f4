//go:build unix

package inventory

import (
	"io/fs"
	"os"
	"syscall"
)

// keepOwner gives f the owner of the file that it replaces, as far as the
// operator may.
func keepOwner(f *os.File, info fs.FileInfo) {
	if info == nil {
		return
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		_ = f.Chown(int(st.Uid), int(st.Gid))
	}
}
