package configs

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"

	"bobine/encoder"
)

//go:embed profiles/*.yaml
var shipped embed.FS

// Profile reads a shipped profile. An unknown name is told the known ones.
func Profile(name string) (encoder.Profile, error) { return Config{}.LoadProfile(name) }

// LoadProfile reads the profile of that name from profiles_dir, else the
// shipped one. The error of an unknown name lists the known ones.
func (c Config) LoadProfile(name string) (encoder.Profile, error) {
	file, b, err := c.findProfile(name)
	if err != nil {
		return encoder.Profile{}, err
	}
	var p encoder.Profile
	d := yaml.NewDecoder(bytes.NewReader(b), yaml.Strict(), yaml.CustomUnmarshaler(bits))
	if err := d.Decode(&p); err != nil {
		var at yaml.Error
		if errors.As(err, &at) && at.GetToken() != nil {
			pos := at.GetToken().Position
			return p, fmt.Errorf("profile %s:%d:%d: %s", file, pos.Line, pos.Column, at.GetMessage())
		}
		return p, fmt.Errorf("profile %s: %w", file, err)
	}
	if p.Name != name {
		return p, fmt.Errorf("profile %s: name is %q: want %q, as the file", file, p.Name, name)
	}
	if err := CheckProfile(p); err != nil {
		return p, fmt.Errorf("profile %s: %w", file, err)
	}
	return p, nil
}

func (c Config) findProfile(name string) (file string, b []byte, err error) {
	unknown := fmt.Errorf("profile %q: no such profile; known are %s", name, strings.Join(c.ProfileNames(), ", "))
	if !plain.MatchString(name) {
		return "", nil, unknown
	}
	if c.ProfilesDir != "" {
		file = filepath.Join(c.ProfilesDir, name+".yaml")
		b, err = os.ReadFile(file)
		if !errors.Is(err, fs.ErrNotExist) {
			return file, b, err
		}
	}
	file = path.Join("profiles", name+".yaml")
	b, err = shipped.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		err = unknown
	}
	return file, b, err
}

// ProfileNames lists the profiles there are, shipped and own, in order.
func (c Config) ProfileNames() []string {
	files, _ := fs.Glob(shipped, "profiles/*.yaml") // the pattern is good
	if c.ProfilesDir != "" {
		own, _ := fs.Glob(os.DirFS(c.ProfilesDir), "*.yaml") // likewise
		files = append(files, own...)
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), ".yaml")
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// bits reads "6000k" as well as 6000000.
func bits(to *int64, b []byte) error {
	text := strings.TrimSpace(string(b))
	digits, thousands := strings.CutSuffix(text, "k")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return fmt.Errorf("%q: want a bitrate such as 6000k", text)
	}
	if thousands {
		n *= 1000
	}
	*to = n
	return nil
}
