package sandbox

import (
	"os"
	"strings"
)

// passed are the variables a program may need to find its own libraries.
var passed = []string{"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"}

// environment has nothing of ours: it may bear passwords, and FFREPORT makes
// ffmpeg write files.
func environment(b Box) []string {
	env := []string{"LC_ALL=C", "HOME=/nonexistent", "PATH=/usr/bin:/bin"}
	if b.Scratch != "" {
		env = append(env, "TMPDIR="+b.Scratch)
	}
	for _, name := range passed {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// libraries are the folders of the passed variables.
func libraries() []string {
	var out []string
	for _, name := range passed {
		for _, dir := range strings.Split(os.Getenv(name), ":") {
			if strings.HasPrefix(dir, "/") && dir != "/" {
				out = append(out, dir)
			}
		}
	}
	return out
}
