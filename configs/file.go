package configs

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// reader walks a YAML file along the keys. It decodes by hand because the
// library's strict mode stops at the first problem.
type reader struct {
	config *Config

	name  string // of the file, as it was given
	keys  map[string]key
	known []string // keys and sections
	where places
	wrong Problems
}

// readFile lays the file over c. It fails only when the file cannot be read.
func readFile(c *Config, name string, where places) (Problems, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	r := &reader{config: c, name: name, keys: map[string]key{}, known: []string{partners, copies, windows}, where: where}
	r.know(keys(c))
	file, err := parser.ParseBytes(b, 0)
	if err != nil {
		r.syntax(err)
		return r.wrong, nil
	}
	for i, doc := range file.Docs {
		if i > 0 {
			r.report(doc.GetToken(), "", "a second document begins here: the file must be one")
			break
		}
		if doc.Body != nil {
			r.section(doc.Body, "")
		}
	}
	return r.wrong, nil
}

func (r *reader) know(all []key) {
	for _, k := range all {
		r.keys[k.path] = k
		r.known = append(r.known, k.path)
		for i, c := range k.path {
			if section := k.path[:i]; c == '.' && !slices.Contains(r.known, section) {
				r.known = append(r.known, section)
			}
		}
	}
}

func (r *reader) at(t *token.Token) string {
	if t == nil || t.Position == nil {
		return r.name
	}
	return fmt.Sprintf("%s:%d:%d", r.name, t.Position.Line, t.Position.Column)
}

func (r *reader) report(t *token.Token, key, message string) {
	r.wrong = append(r.wrong, Problem{r.at(t), key, message})
}

func (r *reader) syntax(err error) {
	var located yaml.Error
	if errors.As(err, &located) {
		r.report(located.GetToken(), "", "not YAML: "+located.GetMessage())
		return
	}
	r.report(nil, "", "not YAML: "+err.Error())
}

// section reads the keys below prefix, which is empty or ends in a dot.
func (r *reader) section(n ast.Node, prefix string) {
	switch n := n.(type) {
	case *ast.NullNode, *ast.CommentGroupNode: // all of it is commented out
	case ast.MapNode:
		for entries := n.MapRange(); entries.Next(); {
			r.entry(entries.Key(), entries.Value(), prefix)
		}
	default:
		what := "the file"
		if prefix != "" {
			what = strings.TrimSuffix(prefix, ".")
		}
		r.report(n.GetToken(), strings.TrimSuffix(prefix, "."), fmt.Sprintf("%s is %q: want keys and values below it", what, n))
	}
}

func (r *reader) entry(name ast.MapKeyNode, value ast.Node, prefix string) {
	if prefix == partners+"." {
		r.partner(name, value)
		return
	}
	path := prefix + name.GetToken().Value
	switch path {
	case copies:
		r.copies(value)
		return
	case windows:
		r.windows(value)
		return
	}
	if k, ok := r.keys[path]; ok {
		r.value(k, value)
		return
	}
	if slices.Contains(r.known, path) {
		r.section(value, path+".")
		return
	}
	message := fmt.Sprintf("%s: no such key", path)
	if near := nearest(path, r.known); near != "" {
		message += fmt.Sprintf("; did you mean %s?", near)
	} else {
		message += "; known are " + strings.Join(r.below(prefix), ", ")
	}
	r.report(name.GetToken(), path, message)
}

// below lists the names that may stand directly in a section.
func (r *reader) below(prefix string) []string {
	var out []string
	for _, k := range r.known {
		if rest, ok := strings.CutPrefix(k, prefix); ok && !strings.Contains(rest, ".") {
			out = append(out, rest)
		}
	}
	return out
}

func (r *reader) value(k key, n ast.Node) {
	r.where[k.path] = r.at(n.GetToken())
	var err error
	switch n := n.(type) {
	case *ast.NullNode: // as if it were not there
	case *ast.SequenceNode:
		err = r.list(k, n)
	case *ast.StringNode:
		err = k.set(n.Value)
	case *ast.LiteralNode:
		err = k.set(n.Value.Value)
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		err = k.set(n.GetToken().Value) // as written: 0x10 is not 16
	default:
		err = k.wrong(strings.TrimSpace(n.String()), "want a single value")
	}
	if err != nil {
		r.report(n.GetToken(), k.path, err.Error())
	}
}

func (r *reader) list(k key, n *ast.SequenceNode) error {
	to, ok := k.field.Addr().Interface().(*[]string)
	if !ok {
		return k.wrong(n.String(), "want a single value, not a list")
	}
	*to = []string{}
	for _, v := range n.Values {
		*to = append(*to, v.GetToken().Value)
	}
	return nil
}
