package bootstrap

import (
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"bobine/storage"
)

// The architectures of machines, as Debian calls them.
const (
	ARM = "arm64"
	X86 = "amd64"
)

// Program is an executable for Linux.
type Program struct {
	Path   string
	SHA256 string // in hex
	Arch   string // ARM or X86
}

// ReadProgram looks at the executable.
func ReadProgram(path string) (Program, error) {
	f, err := os.Open(path)
	if err != nil {
		return Program{}, fmt.Errorf("read the program: %w", err)
	}
	defer f.Close()
	x, err := elf.NewFile(f)
	if err != nil {
		return Program{}, fmt.Errorf("read the program %s: it is no executable of Linux (%w): build one with GOOS=linux, and name it with --program", path, err)
	}
	p := Program{Path: path}
	switch x.Machine {
	case elf.EM_AARCH64:
		p.Arch = ARM
	case elf.EM_X86_64:
		p.Arch = X86
	default:
		return Program{}, fmt.Errorf("read the program %s: it is made for %s: want %s or %s", path, x.Machine, ARM, X86)
	}
	h := sha256.New()
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return Program{}, fmt.Errorf("read the program: %w", err)
	}
	if _, err := io.Copy(h, f); err != nil {
		return Program{}, fmt.Errorf("read the program %s: %w", path, err)
	}
	p.SHA256 = hex.EncodeToString(h.Sum(nil))
	return p, nil
}

// Ref is where machines find it, below storage.outputs.
func (p Program) Ref() storage.Ref { return storage.Join("bin", p.SHA256, "bobine") }

// Upload puts the program where machines find it. One that is there already
// is the same, by its name.
func (p Program) Upload(ctx context.Context, to storage.Store) error {
	f, err := os.Open(p.Path)
	if err != nil {
		return fmt.Errorf("upload the program: %w", err)
	}
	defer f.Close()
	_, err = to.Put(ctx, p.Ref(), f, storage.PutOptions{IfAbsent: true, SHA256: p.SHA256, ContentType: "application/octet-stream"})
	if err != nil && !errors.Is(err, storage.ErrExist) {
		return fmt.Errorf("upload the program %s: %w", p.Path, err)
	}
	return nil
}

// Arch is the one architecture of all these instance types. The letters after
// a family's number tell it: a g among them is Graviton, which is ARM, as in
// c7gn.4xlarge; g4dn.xlarge has its g before the number
// (https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html).
func Arch(types []string) (string, error) {
	found := ""
	for _, t := range types {
		family, _, _ := strings.Cut(t, ".")
		number := strings.IndexAny(family, "0123456789")
		arch := X86
		if number >= 0 && strings.Contains(family[number:], "g") || family == "a1" {
			arch = ARM
		}
		if found != "" && found != arch {
			return "", fmt.Errorf("fleet.ec2.types: %s is %s, and those before it are %s: machines boot from one image and one program, so name types of one architecture", t, arch, found)
		}
		found = arch
	}
	return found, nil
}
