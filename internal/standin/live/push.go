package live

import (
	"encoding/json"
	"fmt"
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

// parse reads one line: a measurement with labels, fields, and when it was.
func parse(line string) (name string, f frame, err error) {
	parts := split(line, ' ')
	if len(parts) < 2 || len(parts) > 3 {
		return "", f, fmt.Errorf("metric parse error: %q", line)
	}
	name, labels, _ := strings.Cut(parts[0], ",")
	at := time.Now()
	if len(parts) == 3 {
		ns, err := strconv.ParseInt(parts[2], 10, 64)
		if err != nil {
			return "", f, fmt.Errorf("metric parse error: %w", err)
		}
		at = time.Unix(0, ns)
	}
	f.Schema = &schema{Name: name, Fields: []field{{"labels", "string"}, {"time", "time"}}}
	f.Data.Values = [][]any{{strings.ReplaceAll(labels, ",", ", ")}, {at.UnixMilli()}}
	pairs := split(parts[1], ',')
	slices.Sort(pairs)
	for _, pair := range pairs {
		key, text, ok := strings.Cut(pair, "=")
		kind, v := value(text)
		if !ok || kind == "" {
			return "", f, fmt.Errorf("metric parse error: %q", pair)
		}
		f.Schema.Fields = append(f.Schema.Fields, field{key, kind})
		f.Data.Values = append(f.Data.Values, []any{v})
	}
	return name, f, nil
}

// split cuts at separators outside of quotes.
func split(text string, at rune) []string {
	quoted := false
	return strings.FieldsFunc(text, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == at && !quoted
	})
}

// value is a field's type and value; no type for what is none.
func value(text string) (kind string, v any) {
	if s, err := strconv.Unquote(text); err == nil && strings.HasPrefix(text, `"`) {
		return "string", s
	}
	if n, err := strconv.ParseFloat(strings.TrimSuffix(text, "i"), 64); err == nil {
		return "number", n
	}
	if b, err := strconv.ParseBool(text); err == nil {
		return "boolean", b
	}
	return "", nil
}
