package alerting

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/alertmanager/silence/silencepb"
	"github.com/prometheus/alertmanager/types"
)

// ErrSilence is returned for a silence that is not there.
var ErrSilence = errors.New("silence not found")

// Silence is a silence in the Alertmanager API's JSON.
type Silence struct {
	ID        string    `json:"id,omitempty"`
	Comment   string    `json:"comment"`
	CreatedBy string    `json:"createdBy"`
	StartsAt  time.Time `json:"startsAt"`
	EndsAt    time.Time `json:"endsAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	Matchers  []Matcher `json:"matchers"`
	Status    struct {
		State string `json:"state"`
	} `json:"status"`
}

// Matcher is one condition of a silence. IsEqual is true when absent.
type Matcher struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	IsRegex bool   `json:"isRegex"`
	IsEqual *bool  `json:"isEqual,omitempty"`
}

// Silence makes a silence and returns its id.
func (s *Service) Silence(in Silence) (string, error) {
	out := &silencepb.Silence{Id: in.ID, Comment: in.Comment, CreatedBy: in.CreatedBy, StartsAt: in.StartsAt, EndsAt: in.EndsAt}
	for _, m := range in.Matchers {
		equal := m.IsEqual == nil || *m.IsEqual
		kind := silencepb.Matcher_EQUAL
		switch {
		case m.IsRegex && equal:
			kind = silencepb.Matcher_REGEXP
		case m.IsRegex:
			kind = silencepb.Matcher_NOT_REGEXP
		case !equal:
			kind = silencepb.Matcher_NOT_EQUAL
		}
		out.Matchers = append(out.Matchers, &silencepb.Matcher{Type: kind, Name: m.Name, Pattern: m.Value})
	}
	if err := s.silences.Set(out); err != nil {
		return "", fmt.Errorf("unable to save silence: %w", err)
	}
	return out.Id, nil
}

// Silences lists all, or the one with this id.
func (s *Service) Silences(id string) ([]Silence, error) {
	var params []silence.QueryParam
	if id != "" {
		params = append(params, silence.QIDs(id))
	}
	list, _, err := s.silences.Query(params...)
	if err != nil {
		return nil, err
	}
	out := []Silence{}
	for _, sil := range list {
		v := Silence{ID: sil.Id, Comment: sil.Comment, CreatedBy: sil.CreatedBy, StartsAt: sil.StartsAt, EndsAt: sil.EndsAt, UpdatedAt: sil.UpdatedAt}
		v.Status.State = string(types.CalcSilenceState(sil.StartsAt, sil.EndsAt))
		for _, m := range sil.Matchers {
			equal := m.Type == silencepb.Matcher_EQUAL || m.Type == silencepb.Matcher_REGEXP
			v.Matchers = append(v.Matchers, Matcher{Name: m.Name, Value: m.Pattern, IsRegex: m.Type == silencepb.Matcher_REGEXP || m.Type == silencepb.Matcher_NOT_REGEXP, IsEqual: &equal})
		}
		out = append(out, v)
	}
	if id != "" && len(out) == 0 {
		return nil, ErrSilence
	}
	return out, nil
}

// Unsilence ends a silence.
func (s *Service) Unsilence(id string) error {
	err := s.silences.Expire(id)
	if errors.Is(err, silence.ErrNotFound) {
		return ErrSilence
	}
	return err
}
