package configs

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// copies is the setting whose value is a list of sections.
const copies = "backup.copies"

// Backup is where second copies are kept, and how they are looked after.
type Backup struct {
	Copies []Copy        `yaml:"copies"` // empty: there are none
	Scrub  time.Duration `yaml:"scrub"`  // within which every byte is read once; 0: never
}

// Copy is one place of second copies.
type Copy struct {
	To           string `yaml:"to"`            // a folder, or s3://bucket/prefix
	OutputsClass string `yaml:"outputs_class"` // of S3; empty: the bucket's own
	SourceClass  string `yaml:"source_class"`  // likewise
	Endpoint     string `yaml:"endpoint"`      // of S3; empty: storage.s3's
	Region       string `yaml:"region"`        // likewise
}

// S3 is how the place is reached, of the settings of the farm's own.
func (c Copy) S3(own S3) S3 {
	if c.Endpoint != "" {
		own.Endpoint = c.Endpoint
	}
	if c.Region != "" {
		own.Region = c.Region
	}
	return own
}

// copies reads the list. The keys of an entry are known while it is read.
func (r *reader) copies(n ast.Node) {
	r.config.Backup.Copies = sections(r, copies, "a key to", n, r.config.Backup.Copies)
}

// storageClasses are S3's, without those that are no place to keep a copy.
var storageClasses = []string{
	"", "STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE",
}

func (c Config) backupProblems() Problems {
	var p Problems
	must := func(ok bool, key, value, want string) {
		if !ok {
			p = append(p, Problem{Key: key, Message: fmt.Sprintf("%s is %q: %s", key, value, want)})
		}
	}
	own := c.Storage.Outputs
	if own == "" {
		own = filepath.Join(c.Data, "store")
	}
	seen := map[string]bool{placeKey(own): true}
	for i, x := range c.Backup.Copies {
		at := fmt.Sprintf("%s[%d].", copies, i)
		must(x.To != "", at+"to", x.To, "want a folder, or s3://bucket/prefix")
		if name, prefix, ok := Bucket(x.To); ok {
			must(bucketName.MatchString(name), at+"to", x.To, "want s3://bucket/prefix, the bucket 3 to 63 of a-z 0-9 . -")
			must(prefix == "" || prefix.Check() == nil && len(prefix) <= 200, at+"to", x.To,
				"want a prefix of up to 200 bytes, such as films/2026, without empty parts")
			classes := "want one of" + strings.Join(storageClasses, " ")
			must(slices.Contains(storageClasses, x.OutputsClass), at+"outputs_class", x.OutputsClass, classes)
			must(slices.Contains(storageClasses, x.SourceClass), at+"source_class", x.SourceClass, classes)
			must(x.Endpoint == "" || endpoint(x.Endpoint), at+"endpoint", unsigned(x.Endpoint), "want http://host:port or https://…, without user, query or fragment")
			must(x.Region == "" || plain.MatchString(x.Region), at+"region", x.Region, "want a name such as eu-west-3")
		} else {
			must(!strings.Contains(x.To, "://"), at+"to", unsigned(x.To), "want a folder, or s3://bucket/prefix")
			must(x.OutputsClass+x.SourceClass+x.Endpoint+x.Region == "", at+"to", x.To, "a folder has no storage classes, endpoint or region")
		}
		key := placeKey(x.To)
		if x.Endpoint == "" && x.Region == "" {
			must(!seen[key], at+"to", x.To, "it is no second place: films are there already")
		}
		seen[key] = true
	}
	must(c.Backup.Scrub == 0 || c.Backup.Scrub >= 24*time.Hour, "backup.scrub", short(c.Backup.Scrub), "want a number of days, such as 30d, or 0s for never")
	must(slices.Contains([]string{"keep", "archive", "delete"}, c.Sources.After), "sources.after", c.Sources.After, "want keep, archive or delete")
	must(c.Sources.After == "keep" || len(c.Backup.Copies) > 0, "sources.after", c.Sources.After, "want keep while there are no backup.copies: no source goes before it has a second copy")
	must(c.Sources.Wait >= 0, "sources.wait", short(c.Sources.Wait), "want a time such as 7d, or 0s")
	return p
}

// placeKey is the same for two ways to write one place.
func placeKey(place string) string {
	if name, prefix, ok := Bucket(place); ok {
		return "s3://" + name + "/" + string(prefix)
	}
	if abs, err := filepath.Abs(place); err == nil {
		return abs
	}
	return place
}
