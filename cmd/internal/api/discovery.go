package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Discovery is what a farm leaves in its data folder for the CLI to find it.
type Discovery struct {
	URL   string `json:"url"`
	Token string `json:"token"`
	PID   int    `json:"pid"`
}

func discoveryFile(data string) string { return filepath.Join(data, "api.json") }

// WriteDiscovery tells others on this machine, of the same user, how to reach
// the farm of a data folder. It replaces what an earlier one left.
func WriteDiscovery(data string, d Discovery) error {
	body, err := json.Marshal(d)
	if err != nil {
		return err
	}
	// CreateTemp makes 0600 files, and a rename never shows half a file.
	f, err := os.CreateTemp(data, ".api-*")
	if err != nil {
		return fmt.Errorf("tell where the API listens: %w", err)
	}
	_, err = f.Write(append(body, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), discoveryFile(data))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("tell where the API listens: %w", err)
	}
	return nil
}

// RemoveDiscovery takes the file away. An absent one is success.
func RemoveDiscovery(data string) error {
	if err := os.Remove(discoveryFile(data)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Discover finds the farm of a data folder. ErrUnreachable when none left
// word there; whether it still answers shows only when it is asked.
func Discover(data string) (*Client, error) {
	body, err := os.ReadFile(discoveryFile(data))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: none runs on %s; start it with: bobine up --data %s", ErrUnreachable, data, Quote(data))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	var d Discovery
	if err := json.Unmarshal(body, &d); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrUnreachable, discoveryFile(data), err)
	}
	c := NewClient(d.URL, d.Token)
	c.data = data
	return c, nil
}
