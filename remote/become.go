package remote

import (
	"crypto/rand"
	"fmt"
	"strings"
)

// becomePlan is how one command is started as the user it is meant for.
type becomePlan struct {
	words []string
	// ready is printed on stderr when become has worked: what comes before is
	// sudo's, what comes after the command's.
	ready string
	// prompt is what sudo asks the password with.
	prompt string
	// interactive: the host may ask for a password before it takes input.
	interactive bool
	// pty: doas reads a password from a terminal only.
	pty              bool
	method, password string
}

// becoming makes the command line. Passwords are not in it: they are sent on
// stdin when the host asks.
func (c *Client) becoming(cmd *Command) (*becomePlan, error) {
	p := &becomePlan{}
	var prefix []string
	if cmd.Become && c.user != "root" {
		p.method, p.password = c.target.Become.Method, c.target.Become.Password
		if p.method == "" {
			p.method = "sudo"
		}
		p.interactive = p.password != ""
		mark := rand.Text()
		p.ready = "ghadeploy-ready-" + mark
		p.prompt = "ghadeploy-password-" + mark
		switch {
		case p.method == "sudo" && p.interactive:
			prefix = []string{"sudo", "-H", "-S", "-p", p.prompt, "--"}
		case p.method == "sudo":
			prefix = []string{"sudo", "-H", "-n", "--"}
		case p.method == "doas" && p.interactive:
			return p, c.doas(p, cmd)
		case p.method == "doas":
			prefix = []string{"doas", "-n", "--"}
		default:
			prefix = []string{"exit", "--"}
		}
		prefix = append([]string{"sh", "-c", unlessRoot, "sh"}, prefix...)
	}
	words, err := wrapped(prefix, p.ready, cmd)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", c.target.Name, cmd.step(), err)
	}
	p.words = words
	return p, nil
}

// unlessRoot becomes root by the words before "--", unless the login is root already, by
// whatever name: the number counts.
const unlessRoot = `[ "$(id -u)" != 0 ] || { while [ "$1" != -- ]; do shift; done; shift; exec "$@"; }; [ "$1" != exit ] || exit 1; exec "$@"`

func (c *Client) cannotBecome(p *becomePlan, step, reason, hint string) error {
	return &BecomeError{Host: c.target.Name, Step: step, User: c.user, Method: p.method, Reason: reason, Hint: hint}
}

// becomeFault reads what sudo or doas said when the command never began.
func (c *Client) becomeFault(p *becomePlan, step, said string, refused bool) error {
	has := func(parts ...string) bool {
		for _, s := range parts {
			if strings.Contains(said, s) {
				return true
			}
		}
		return false
	}
	user := c.user
	switch {
	case p.method != "sudo" && p.method != "doas":
		return c.cannotBecome(p, step, fmt.Sprintf("needs root, but the login user is %s and become is %q", user, p.method),
			"set ssh.become.method in INVENTORY to sudo or doas, or ssh.user to root")
	case refused, has("incorrect password", "Sorry, try again", "Authentication failed", "Authorization failed") && p.password != "":
		return c.cannotBecome(p, step, fmt.Sprintf("%s password refused for user %s", p.method, user),
			"correct ssh.become.password in INVENTORY, or type it again with -K")
	case has("not in the sudoers", "may not run sudo", "is not allowed to execute", "Operation not permitted") &&
		!has("a password is required"):
		return c.cannotBecome(p, step, fmt.Sprintf("user %s may not become root with %s", user, p.method),
			fmt.Sprintf("as root on %s: echo '%s ALL=(ALL) NOPASSWD: ALL' | EDITOR='tee' visudo -f /etc/sudoers.d/%s", c.target.Name, user, user))
	case has("have a tty", "a tty is required"):
		return c.cannotBecome(p, step, p.method+" wants a terminal",
			fmt.Sprintf("as root on %s: echo 'Defaults:%s !requiretty' | EDITOR='tee -a' visudo", c.target.Name, user))
	case has("a password is required", "Authorization required", "Authentication required"):
		return c.cannotBecome(p, step, fmt.Sprintf("%s asks user %s for a password", p.method, user),
			"ghadeploy check INVENTORY -K, and every command that follows with -K: it asks for the password; "+
				"without asking: ssh.become.password in the inventory, or NOPASSWD in sudoers (nopass in doas.conf)")
	case has("not found", "No such file"):
		return c.cannotBecome(p, step, p.method+" is not installed: "+said,
			"set ssh.become.method in INVENTORY to what is there, or ssh.user to root")
	}
	if said == "" {
		said = "no answer"
	}
	return c.cannotBecome(p, step, fmt.Sprintf("cannot become root with %s: %s", p.method, said),
		"ssh -t "+Quote(user+"@"+c.target.Address)+" "+p.method+" true")
}
