package inventory

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// AgeIdentityEnv names the variable with the path of the age identity file;
// without it ~/.config/ghadeploy/age.key is used.
const AgeIdentityEnv = "GHADEPLOY_AGE_IDENTITY"

// identities are the private keys for age, read when the first value needs them.
type identities struct {
	keys []age.Identity
	err  error
}

func (r *resolver) identities() ([]age.Identity, error) {
	if r.ageIDs == nil {
		r.ageIDs = &identities{}
		r.ageIDs.keys, r.ageIDs.err = r.readIdentities()
	}
	return r.ageIDs.keys, r.ageIDs.err
}

func (r *resolver) readIdentities() ([]age.Identity, error) {
	lookup := r.opts.LookupEnv
	if lookup == nil {
		lookup = os.LookupEnv
	}
	path := filepath.Join(r.opts.home(), ".config", "ghadeploy", "age.key")
	if named, ok := lookup(AgeIdentityEnv); ok && named != "" {
		path = named
	}
	data, err := r.readSecret(path)
	if err != nil {
		return nil, fmt.Errorf("reading the age identity (set %s to its file): %w", AgeIdentityEnv, err)
	}
	keys, err := age.ParseIdentities(bytes.NewReader(data))
	if err != nil {
		// The library's error may quote a line of the key file.
		return nil, fmt.Errorf("reading the age identity: %s holds no usable age key", path)
	}
	return keys, nil
}

func (r *resolver) ageFile(name string) (string, error) {
	data, err := r.readSecret(r.path(name))
	if err != nil {
		return "", fmt.Errorf("reading secret: %w", err)
	}
	return r.decrypt(bytes.NewReader(data))
}

// decrypt reads one age file, armored or binary.
func (r *resolver) decrypt(src io.Reader) (string, error) {
	keys, err := r.identities()
	if err != nil {
		return "", err
	}
	in := bufio.NewReader(src)
	var from io.Reader = in
	if head, _ := in.Peek(len(armor.Header)); strings.TrimSpace(string(head)) == armor.Header {
		from = armor.NewReader(in)
	}
	plain, err := age.Decrypt(from, keys...)
	if err != nil {
		var none *age.NoIdentityMatchError
		if errors.As(err, &none) {
			return "", errors.New("decrypting an age value: it is encrypted for another key than yours")
		}
		return "", fmt.Errorf("decrypting an age value: %w", err)
	}
	value, err := io.ReadAll(io.LimitReader(plain, maxSecret))
	if err != nil {
		return "", fmt.Errorf("decrypting an age value: %w", err)
	}
	return trimNewline(string(value)), nil
}
