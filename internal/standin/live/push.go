package live

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// streams keeps the last frame of each channel that was pushed to on this node.
type streams struct {
	mu   sync.Mutex
	last map[string]kept
}

type kept struct {
	schema string
	frame  []byte
}

func (s *streams) frame(channel string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last[channel].frame
}

// keep remembers a frame and reports whether its schema is another one.
func (s *streams) keep(channel string, next kept) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := s.last[channel].schema != next.schema
	if s.last == nil {
		s.last = map[string]kept{}
	}
	s.last[channel] = next
	return changed
}

// frame is a data frame in the JSON of Grafana's SDK.
type frame struct {
	Schema *schema `json:"schema,omitempty"`
	Data   struct {
		Values [][]any `json:"values"`
	} `json:"data"`
}

type schema struct {
	Name   string  `json:"name"`
	Fields []field `json:"fields"`
}

type field struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Push takes lines like "cpu,host=a load=1,busy=2 1700000000000000000" and sends
// each as a frame to stream/<id>/<measurement>: schema and data, and data alone
// as long as the schema stays.
func (l *Live) Push(id, lines string) error {
	for line := range strings.Lines(lines) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, f, err := parse(line)
		if err != nil {
			return err
		}
		channel := stream + id + "/" + name
		if err := check(channel); err != nil {
			return err
		}
		text, err := json.Marshal(f)
		if err != nil {
			return err
		}
		of, err := json.Marshal(f.Schema)
		if err != nil {
			return err
		}
		if !l.streams.keep(channel, kept{string(of), text}) {
			f.Schema = nil
			if text, err = json.Marshal(f); err != nil {
				return err
			}
		}
		if err := l.send(channel, text); err != nil {
			return err
		}
	}
	return nil
}

// parse reads one line; text values and tags are left out of the frame.
func parse(line string) (name string, f frame, err error) {
	parts := strings.Fields(line)
	if len(parts) < 2 || len(parts) > 3 {
		return "", f, fmt.Errorf("metric parse error: %q", line)
	}
	name, _, _ = strings.Cut(parts[0], ",")
	at := time.Now()
	if len(parts) == 3 {
		ns, err := strconv.ParseInt(parts[2], 10, 64)
		if err != nil {
			return "", f, fmt.Errorf("metric parse error: %w", err)
		}
		at = time.Unix(0, ns)
	}
	values := map[string]float64{}
	for pair := range strings.SplitSeq(parts[1], ",") {
		key, text, ok := strings.Cut(pair, "=")
		v, err := strconv.ParseFloat(strings.TrimSuffix(text, "i"), 64)
		if !ok || err != nil {
			return "", f, fmt.Errorf("metric parse error: %q", pair)
		}
		values[key] = v
	}
	f.Schema = &schema{Name: name, Fields: []field{{"time", "time"}}}
	f.Data.Values = [][]any{{at.UnixMilli()}}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		f.Schema.Fields = append(f.Schema.Fields, field{key, "number"})
		f.Data.Values = append(f.Data.Values, []any{values[key]})
	}
	return name, f, nil
}
