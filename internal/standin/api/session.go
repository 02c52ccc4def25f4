package api

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/standin/store"
)

const (
	needsRotation = "session.token.rotate"
	// urgentRotation is the age at which a token that was never used is replaced.
	urgentRotation = time.Minute
)

func (s *server) sessionRoutes() {
	s.mux.HandleFunc("POST /login", s.login)
	s.mux.HandleFunc("GET /login", s.loginPage)
	s.mux.HandleFunc("GET /logout", s.logout)
	s.mux.HandleFunc("POST /api/user/auth-tokens/rotate", s.rotate)
	s.mux.HandleFunc("GET /{$}", s.homePage)
}

func (s *server) login(w http.ResponseWriter, r *http.Request) {
	var in struct{ User, Password string }
	if err := readJSON(r, &in); err != nil {
		s.reply(w, r, nil, err)
		return
	}
	user, err := s.Store.CheckPassword(r.Context(), in.User, in.Password)
	if errors.Is(err, store.ErrPassword) {
		err = fail(http.StatusUnauthorized, "Invalid username or password")
	}
	var token string
	if err == nil {
		token, err = s.Store.CreateSession(r.Context(), user.ID, clientIP(r), r.UserAgent())
	}
	if err == nil {
		s.setCookies(w, token)
	}
	s.reply(w, r, map[string]string{"message": "Logged in", "redirectUrl": s.Settings.Server.SubPath + "/"}, err)
}

func (s *server) logout(w http.ResponseWriter, r *http.Request) {
	if sess, _, err := s.session(r); err == nil {
		if err := s.Store.DeleteSession(r.Context(), sess.ID); err != nil {
			s.Log.Error("failed to revoke auth token", "error", err)
		}
	}
	s.setCookies(w, "")
	http.Redirect(w, r, s.Settings.Server.SubPath+"/login", http.StatusFound)
}

func (s *server) rotate(w http.ResponseWriter, r *http.Request) {
	sess, _, err := s.session(r)
	var token string
	if err == nil {
		token, err = s.Store.RotateSession(r.Context(), sess.ID, clientIP(r), r.UserAgent())
	}
	if err != nil {
		s.reply(w, r, nil, fail(http.StatusUnauthorized, "Unauthorized"))
		return
	}
	s.setCookies(w, token)
	writeJSON(w, http.StatusOK, map[string]any{})
}

// setCookies sets the session cookie and the one that tells a browser when to
// rotate; an empty token removes both.
func (s *server) setCookies(w http.ResponseWriter, token string) {
	conf := s.Settings
	path := conf.Server.SubPath
	if path == "" {
		path = "/"
	}
	c := http.Cookie{Name: conf.Auth.CookieName, Value: url.QueryEscape(token), Path: path, HttpOnly: true, Secure: conf.Security.CookieSecure, MaxAge: int(conf.Auth.MaxLifetime.Seconds())}
	switch conf.Security.SameSite {
	case "strict":
		c.SameSite = http.SameSiteStrictMode
	case "none":
		c.SameSite = http.SameSiteNoneMode
	case "lax":
		c.SameSite = http.SameSiteLaxMode
	}
	expiry := c
	expiry.Name, expiry.HttpOnly = c.Name+"_expiry", false
	expiry.Value = strconv.FormatInt(time.Now().Add(conf.Auth.Rotation).Unix(), 10)
	if token == "" {
		c.MaxAge, expiry.MaxAge, expiry.Value = -1, -1, ""
	}
	http.SetCookie(w, &c)
	http.SetCookie(w, &expiry)
}

// session returns the session and the token of the request's cookie.
func (s *server) session(r *http.Request) (store.Session, string, error) {
	c, err := r.Cookie(s.Settings.Auth.CookieName)
	if err != nil {
		return store.Session{}, "", err
	}
	token, err := url.QueryUnescape(c.Value)
	if err != nil {
		return store.Session{}, "", err
	}
	sess, err := s.Store.Session(r.Context(), token, s.Settings.Auth.MaxInactive, s.Settings.Auth.MaxLifetime)
	return sess, token, err
}

// authenticate finds the user by basic auth or session. Whatever goes wrong is
// a 401, as in Grafana: with the database gone, users look signed out.
func (s *server) authenticate(w http.ResponseWriter, r *http.Request) (store.User, error) {
	unauthorized := fail(http.StatusUnauthorized, "Unauthorized")
	if login, password, ok := r.BasicAuth(); ok {
		user, err := s.Store.CheckPassword(r.Context(), login, password)
		if err != nil {
			return user, fail(http.StatusUnauthorized, "Invalid username or password")
		}
		return user, nil
	}
	sess, _, err := s.session(r)
	if err != nil {
		if !errors.Is(err, http.ErrNoCookie) {
			s.Log.Warn("Failed to look up user based on cookie", "error", wording(err))
		}
		return store.User{}, unauthorized
	}
	if s.stale(sess) {
		if s.Profile.AsksToRotate {
			return store.User{}, fail(http.StatusUnauthorized, needsRotation)
		}
		if token, err := s.Store.RotateSession(r.Context(), sess.ID, clientIP(r), r.UserAgent()); err == nil {
			s.setCookies(w, token)
		}
	}
	user, err := s.Store.UserByID(r.Context(), sess.UserID)
	if err != nil {
		return user, unauthorized
	}
	return user, nil
}

func (s *server) stale(sess store.Session) bool {
	if sess.Seen {
		return time.Since(sess.RotatedAt) > s.Settings.Auth.Rotation
	}
	return time.Since(sess.RotatedAt) > urgentRotation
}

func wording(err error) string {
	if errors.Is(err, store.ErrNotFound) {
		return "user token not found"
	}
	return err.Error()
}

func clientIP(r *http.Request) string {
	if f := r.Header.Get("X-Forwarded-For"); f != "" {
		first, _, _ := strings.Cut(f, ",")
		return strings.TrimSpace(first)
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
