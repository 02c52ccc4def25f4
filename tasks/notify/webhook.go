package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
)

// maxAnswer is how much of an answer is read: enough for the reason of a refusal.
const maxAnswer = 4 << 10

// post sends v as JSON to a URL that is a secret: whoever knows the address of an
// incoming web hook may write there. Errors hold nothing of it but the host's name.
func post(ctx context.Context, secret inventory.Secret, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	to := secret.Reveal()
	u, err := url.Parse(to)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("what %s holds is no http or https URL", source(secret))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("what %s holds is no URL that can be called", source(secret))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "ghadeploy")
	// A connection of its own: a run sends two messages, minutes apart. A redirect
	// would take the message to somebody nobody named.
	client := &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return scrubbed(u, bare(err))
	}
	return scrubbed(u, refusal(resp))
}

func source(s inventory.Secret) string {
	if s.Source() == "" {
		return "url"
	}
	return "url (" + s.Source() + ")"
}

// bare takes the URL off that net/http puts before every error.
func bare(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// refusal is an answer other than 2xx as an error, with its first line. It closes resp.
func refusal(resp *http.Response) error {
	defer func() { _ = resp.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // what can be had is enough
	if resp.StatusCode/100 == 2 {
		return nil
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	if line = remote.Clean(strings.ToValidUTF8(line, "")); line == "" {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return fmt.Errorf("status %d: %.200s", resp.StatusCode, line)
}

// scrubbed hides what of the URL is secret, should an answer or an error repeat it.
// The cause is kept for errors.Is only when nothing had to be hidden.
func scrubbed(u *url.URL, err error) error {
	if err == nil {
		return nil
	}
	hide := []string{u.String(), u.RequestURI(), u.Path, u.RawQuery, u.Fragment}
	if u.User != nil {
		password, _ := u.User.Password()
		hide = append(hide, u.User.String(), password, u.User.Username())
	}
	for _, values := range u.Query() {
		hide = append(hide, values...)
	}
	hide = append(hide, strings.Split(u.Path, "/")...)
	text := err.Error()
	for _, s := range hide {
		if len(s) >= 4 { // shorter pieces are words like "v1" and would make holes in the error
			text = strings.ReplaceAll(text, s, inventory.Redacted)
		}
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}
