package journal

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strconv"

	"github.com/ghadeploy/ghadeploy/internal/localfile"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

const (
	// maxRead is how many bytes of a host's journal are read, from its end.
	maxRead = 4 << 20
	// mostEntries are kept of a journal: as many as maxRead has of ordinary ones.
	mostEntries = 20_000
)

// Read gives the entries of a journal; a line that a crash cut short is left out.
func Read(b []byte) (out []Entry) {
	s := bufio.NewScanner(bytes.NewReader(b))
	s.Buffer(make([]byte, 64<<10), maxRead)
	for s.Scan() {
		var e Entry
		if json.Unmarshal(s.Bytes(), &e) == nil && e.Run != "" {
			if out = append(out, e); len(out) >= 2*mostEntries {
				out = append(out[:0], out[mostEntries:]...)
			}
		}
	}
	return out[max(0, len(out)-mostEntries):]
}

// ReadLocal gives the entries of a cluster's journal on the operator's machine; none
// when there is no such file.
func ReadLocal(cluster string) ([]Entry, error) {
	p, err := path(cluster)
	if err != nil {
		return nil, err
	}
	b, err := localfile.ReadEnd(context.Background(), p, localfile.Large)
	if os.IsNotExist(err) {
		return nil, nil
	}
	return Read(b), err
}

// ReadHost gives the last entries of the journal in a host's state folder. Whatever they
// say, they are about this host: a host that was broken into must not speak for others.
func ReadHost(ctx context.Context, h fleet.Host, state string) ([]Entry, error) {
	res, err := h.Run(ctx, remote.Command{
		Step: "read the journal", Script: `[ ! -r "$1" ] || tail -c "$2" "$1"`, Args: []string{state + "/" + name, strconv.Itoa(maxRead)},
		Become: true, Output: maxRead + 1<<16,
	})
	entries := Read(res.Stdout)
	for i := range entries {
		e := &entries[i]
		e.Source = h.Name
		if e.Step != "run" || e.Host != "" {
			e.Host = h.Name
		}
	}
	return entries, err
}
