package tasks

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/ghadeploy/ghadeploy/tasks/check"
)

// askFront asks a URL as a browser would, without following where it leads. That there is
// an answer is enough: before a first deploy it is a load balancer's 503. No login goes there.
func askFront(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+"/api/health", nil)
	if err != nil {
		return err
	}
	client := &http.Client{
		Timeout:       check.Probe,
		Transport:     &http.Transport{DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if req.URL.Scheme == "http" && res.StatusCode == http.StatusBadRequest && strings.Contains(strings.ToLower(string(body)), "https") {
		return fmt.Errorf("%w: %s", check.ErrOtherScheme, res.Status)
	}
	return nil
}
