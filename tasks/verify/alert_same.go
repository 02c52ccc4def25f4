package verify

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// What the API returns before and after verify is compared by what it means, not
// by how it is written: versions add empty settings, put durations in another
// form, sort contact points by the uids that they have just given, and give those
// a uid that had none.

// samePolicies tells whether two trees of notification policies mean the same.
// The order of routes counts, that of labels and matchers does not.
func samePolicies(was, is map[string]any) bool { return text(plain(was)) == text(plain(is)) }

// differentPoint names the first contact point that is not what it was; "" when
// all are. Their order has no meaning. One that had no uid may have any now.
func differentPoint(was, is []any) string {
	left := make([]any, len(is))
	for i, point := range is {
		left[i] = plain(point)
	}
	var unnamed []any
	for _, point := range was { // those with a uid first: they can be one only
		p := plain(point)
		if fields, _ := p.(map[string]any); fields["uid"] == nil {
			unnamed = append(unnamed, p)
			continue
		}
		if !take(&left, func(now any) bool { return text(now) == text(p) }) {
			return called(point)
		}
	}
	for _, p := range unnamed {
		if !take(&left, func(now any) bool { return text(withoutUID(now)) == text(p) }) {
			return called(p)
		}
	}
	if len(left) > 0 {
		return called(left[0])
	}
	return ""
}

// take removes the first item that fits, and tells whether there was one.
func take(from *[]any, fits func(any) bool) bool {
	i := slices.IndexFunc(*from, fits)
	if i >= 0 {
		*from = slices.Delete(*from, i, i+1)
	}
	return i >= 0
}

func withoutUID(point any) any {
	fields, ok := point.(map[string]any)
	if !ok {
		return point
	}
	fields = maps.Clone(fields)
	delete(fields, "uid")
	return fields
}

// called is a contact point's name, for a message.
func called(point any) string {
	fields, _ := point.(map[string]any)
	return fmt.Sprintf("%.100q", fmt.Sprint(fields["name"]))
}

// text is JSON with sorted keys, to compare by.
func text(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

// plain is a value without what has no meaning: what is empty or false counts as
// not there, as Grafana's own omitempty does.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return plainFields(v)
	case []any:
		kept := []any{}
		for _, item := range v {
			kept = append(kept, plain(item))
		}
		return kept
	}
	return v
}

func plainFields(fields map[string]any) map[string]any {
	kept := map[string]any{}
	for key, value := range fields {
		switch value = plain(value); {
		case isEmpty(value), key == "provenance" && value == "none":
			continue
		case unordered[key]:
			value = sorted(value)
		case strings.HasSuffix(key, "_wait"), strings.HasSuffix(key, "_interval"):
			value = sameDuration(value)
		}
		kept[key] = value
	}
	return kept
}

// unordered are a route's lists whose order has no meaning.
var unordered = map[string]bool{
	"group_by": true, "object_matchers": true, "matchers": true, "mute_time_intervals": true, "active_time_intervals": true,
}

func sorted(value any) any {
	list, ok := value.([]any)
	if !ok {
		return value
	}
	return slices.SortedFunc(slices.Values(list), func(a, b any) int { return strings.Compare(text(a), text(b)) })
}

func isEmpty(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

// sameDuration writes 5m0s and 5m alike; what Go does not read (1d) stays.
func sameDuration(value any) any {
	s, _ := value.(string)
	if d, err := time.ParseDuration(s); err == nil {
		return d.String()
	}
	return value
}
