package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/internal/localfile"
	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/inventory"
)

// maxSecret is the longest secret that is encrypted, in bytes.
const maxSecret = 64 << 10

func (a *app) secretsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secrets",
		Short: "Encrypt secrets with age, so that they can lie beside the inventory",
		Long: `Encrypt secrets with age (filippo.io/age). The encrypted text goes into the
inventory as a !age value; the private key is read from $` + inventory.AgeIdentityEnv + `
or ~/.config/ghadeploy/age.key. A secret is read from standard input, or asked
for without echo; it is never an argument, since those show in process lists.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.keygenCommand(), a.encryptCommand(), a.decryptCommand())
	return cmd
}

type keygenOptions struct{ file string }

// keygenResult is the document of secrets keygen -o json.
type keygenResult struct {
	File      string `json:"file"`
	Recipient string `json:"recipient"`
}

func (a *app) keygenCommand() *cobra.Command {
	var o keygenOptions
	cmd := &cobra.Command{
		Use: "keygen", Short: "Make an age key pair", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.keygen(o) },
	}
	cmd.Flags().StringVarP(&o.file, "out", "O", "", "private key file; default where the inventory is read with it")
	return cmd
}

func (a *app) keygen(o keygenOptions) error {
	file, err := a.identityFile(o.file)
	if err != nil {
		return err
	}
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return fmt.Errorf("make an age key: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("make an age key: %w", err)
	}
	text := fmt.Sprintf("# public key: %s\n%s\n", key.Recipient(), key)
	if err := writeNew(file, text, 0o600); err != nil {
		return fmt.Errorf("make an age key: %w", err)
	}
	return a.render(keygenResult{file, key.Recipient().String()}, func() error {
		_, err := fmt.Fprintf(a.streams.Out, "wrote the private key to %s\npublic key: %s\nnext: ghadeploy secrets encrypt --recipient %s\n",
			file, key.Recipient(), key.Recipient())
		return err
	})
}

func (a *app) identityFile(named string) (string, error) {
	if named != "" {
		return named, nil
	}
	if env := a.getenv(inventory.AgeIdentityEnv); env != "" {
		return env, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the home directory: %w; next: name the key file with -O", err)
	}
	return filepath.Join(home, ".config", "ghadeploy", "age.key"), nil
}

type encryptOptions struct{ recipients []string }

// encryptResult is the document of secrets encrypt -o json.
type encryptResult struct {
	Encrypted string `json:"encrypted"`
}

func (a *app) encryptCommand() *cobra.Command {
	var o encryptOptions
	cmd := &cobra.Command{
		Use: "encrypt", Short: "Encrypt a secret for the inventory", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.encrypt(cmd.Context(), o) },
	}
	cmd.Flags().StringSliceVarP(&o.recipients, "recipient", "r", nil, "public key (age1...); more than one may read it; default: your own")
	return cmd
}

func (a *app) encrypt(ctx context.Context, o encryptOptions) error {
	recipients, err := a.recipients(o.recipients)
	if err != nil {
		return err
	}
	secret, err := a.readSecret(ctx, "Secret")
	if err != nil {
		return err
	}
	var out bytes.Buffer
	armored := armor.NewWriter(&out)
	w, err := age.Encrypt(armored, recipients...)
	if err == nil {
		_, err = w.Write(secret)
	}
	if err == nil {
		err = errors.Join(w.Close(), armored.Close())
	}
	if err != nil {
		return fmt.Errorf("encrypt the secret: %w", err)
	}
	return a.render(encryptResult{out.String()}, func() error {
		_, err := io.WriteString(a.streams.Out, yamlValue(out.String()))
		return err
	})
}

// yamlValue is an encrypted text as it goes into the inventory, after a key.
func yamlValue(armored string) string {
	return "!age |\n  " + strings.ReplaceAll(strings.TrimSpace(armored), "\n", "\n  ") + "\n"
}

// recipients are those named, or the operator's own key.
func (a *app) recipients(named []string) ([]age.Recipient, error) {
	var out []age.Recipient
	for _, r := range named {
		recipient, err := age.ParseX25519Recipient(r)
		if err != nil {
			return nil, usage("--recipient %s: %v", r, err)
		}
		out = append(out, recipient)
	}
	if len(out) > 0 {
		return out, nil
	}
	identities, err := a.identities()
	if err != nil {
		return nil, err
	}
	for _, id := range identities {
		if own, ok := id.(*age.X25519Identity); ok {
			out = append(out, own.Recipient())
		}
	}
	if len(out) == 0 {
		return nil, usage("no public key: name one with --recipient, or make one with ghadeploy secrets keygen")
	}
	return out, nil
}

func (a *app) identities() ([]age.Identity, error) {
	file, err := a.identityFile("")
	if err != nil {
		return nil, err
	}
	text, err := localfile.Read(context.Background(), file, maxSecret)
	if err != nil {
		return nil, usage("read the age key: %v; next: ghadeploy secrets keygen", err)
	}
	identities, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		return nil, usage("%s holds no usable age key", file) // the library's error may quote it
	}
	return identities, nil
}

// decryptResult is the document of secrets decrypt -o json.
type decryptResult struct {
	Secret string `json:"secret"`
}

func (a *app) decryptCommand() *cobra.Command {
	return &cobra.Command{
		Use: "decrypt", Short: "Decrypt an age text from standard input", Args: cobra.NoArgs,
		Long: `Decrypt an age text from standard input and print the secret. This is the one
command that shows a secret.`,
		RunE: func(*cobra.Command, []string) error { return a.decrypt() },
	}
}

func (a *app) decrypt() error {
	identities, err := a.identities()
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(a.streams.In, 4*maxSecret))
	if err != nil {
		return fmt.Errorf("read the encrypted text: %w", err)
	}
	r, err := age.Decrypt(armor.NewReader(strings.NewReader(unindent(string(text)))), identities...)
	if err != nil {
		return fmt.Errorf("decrypt: %w", err)
	}
	secret, err := io.ReadAll(io.LimitReader(r, maxSecret))
	if err != nil {
		return fmt.Errorf("decrypt: %w", err)
	}
	return a.render(decryptResult{string(secret)}, func() error {
		_, err := fmt.Fprintf(a.streams.Raw, "%s\n", secret)
		return err
	})
}

// unindent takes the text out of the YAML that it was pasted from.
func unindent(text string) string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasSuffix(line, "|") {
			continue
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n") + "\n"
}

// readSecret asks without echo, or reads standard input to its end. One
// newline at the end belongs to the editor, not to the secret.
func (a *app) readSecret(ctx context.Context, question string) ([]byte, error) {
	if a.streams.InTTY && a.streams.ErrTTY {
		s := &session{app: a, progress: ui.Silent{}}
		text, err := s.askSecret(ctx, question)
		return []byte(text), err
	}
	text, err := io.ReadAll(io.LimitReader(a.streams.In, maxSecret+1))
	if err != nil {
		return nil, fmt.Errorf("read the secret: %w", err)
	}
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	if len(text) == 0 || len(text) > maxSecret {
		return nil, usage("standard input must hold a secret of 1 to %d bytes", maxSecret)
	}
	return text, nil
}

// newSecretKey is 32 random bytes as text that no parser minds.
func newSecretKey(random io.Reader) (string, error) {
	raw := make([]byte, 32)
	if _, err := io.ReadFull(random, raw); err != nil {
		return "", fmt.Errorf("make a secret key: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(raw), nil
}

// writeNew writes a file that must not be there yet.
func writeNew(file, text string, mode os.FileMode) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// writeNewIn is writeNew below a folder that no name and no link leads out of.
func writeNewIn(root *os.Root, name, text string, mode os.FileMode) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
