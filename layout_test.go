// Package bobine_test holds the rules of the source tree as a whole.
package bobine_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// The tree guards itself: what stands in layout_rules_test.go holds for
// every file of it.
func TestLayout(t *testing.T) {
	tr, err := readTree(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	if len(tr.packages) < 5 {
		t.Fatalf("only %d packages were found: this is not the project's root", len(tr.packages))
	}
	for _, fault := range tr.check() {
		t.Error(fault)
	}
}

// tree is the source as the rules see it.
type tree struct {
	top      []string // names at the root, without those of generated folders
	packages map[string]*pkg
}

// pkg is one folder with Go files.
type pkg struct {
	dir   string // from the root; "." is the root
	files []file
}

type file struct {
	name  string
	test  bool
	lines int
	ast   *ast.File
	fset  *token.FileSet
}

// generated are folders at the root that git does not keep.
var generated = []string{".git", "bin", "bobine-data"}

func readTree(fsys fs.FS) (tree, error) {
	t := tree{packages: map[string]*pkg{}}
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (slices.Contains(generated, p) || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if p != "." && !strings.Contains(p, "/") && d.IsDir() {
			t.top = append(t.top, p)
		}
		if d.IsDir() || path.Ext(p) != ".go" {
			return nil
		}
		src, err := fs.ReadFile(fsys, p)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, p, src, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir := path.Dir(p)
		if t.packages[dir] == nil {
			t.packages[dir] = &pkg{dir: dir}
		}
		t.packages[dir].files = append(t.packages[dir].files, file{
			name: p, test: strings.HasSuffix(p, "_test.go"), lines: strings.Count(string(src), "\n"), ast: parsed, fset: fset,
		})
		return nil
	})
	return t, err
}

// check tells every breach of every rule, in a stable order.
func (t tree) check() []string {
	var faults []string
	for _, name := range t.top {
		if !slices.Contains(topLevel, name) {
			faults = append(faults, fmt.Sprintf("%s/: the folders at the root are %s: no other", name, strings.Join(topLevel, " ")))
		}
	}
	for _, dir := range t.dirs() {
		p := t.packages[dir]
		faults = append(faults, p.comment()...)
		faults = append(faults, p.name()...)
		for _, f := range p.files {
			faults = append(faults, f.size()...)
			faults = append(faults, f.sleeps(dir)...)
		}
		faults = append(faults, t.imports(p)...)
	}
	return faults
}

func (t tree) dirs() []string {
	var dirs []string
	for dir := range t.packages {
		dirs = append(dirs, dir)
	}
	slices.Sort(dirs)
	return dirs
}

// comment wants one package comment of 1 to 5 sentences: in a file that is no
// test, unless there are none.
func (p *pkg) comment() []string {
	var faults, found []string
	code := slices.ContainsFunc(p.files, func(f file) bool { return !f.test })
	for _, f := range p.files {
		text := strings.Join(strings.Fields(f.ast.Doc.Text()), " ")
		if text == "" {
			continue
		}
		if f.test && code {
			faults = append(faults, f.name+": a test file has a package comment: the package's own says it")
			continue
		}
		found = append(found, f.name)
		lead := "Package " + f.ast.Name.Name + " "
		if f.ast.Name.Name == "main" {
			lead = "Command " + path.Base(p.dir) + " "
		}
		if !strings.HasPrefix(text, lead) {
			faults = append(faults, fmt.Sprintf("%s: the package comment must begin %q", f.name, lead))
		}
		if n := sentences(text); n < 1 || n > 5 {
			faults = append(faults, fmt.Sprintf("%s: the package comment has %d sentences, must have 1 to 5", f.name, n))
		}
	}
	if len(found) != 1 {
		faults = append(faults, fmt.Sprintf("%s: has %d package comments %v, must have one", p.dir, len(found), found))
	}
	return faults
}

func sentences(text string) int {
	n := 0
	for _, word := range strings.Fields(text) {
		if strings.ContainsAny(word[len(word)-1:], ".!?") {
			n++
		}
	}
	return n
}

func (p *pkg) name() []string {
	if slices.Contains(emptyWords, path.Base(p.dir)) {
		return []string{p.dir + ": says nothing of what it holds: name it by its thing"}
	}
	return nil
}

func (f file) size() []string {
	var faults []string
	if f.lines > maxLines {
		faults = append(faults, fmt.Sprintf("%s: has %d lines, at most %d can be held in mind", f.name, f.lines, maxLines))
	}
	for _, d := range f.ast.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || f.ast.Name.Name != "main" || fn.Recv != nil || fn.Name.Name != "main" {
			continue
		}
		if n := f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line + 1; n > maxMain {
			faults = append(faults, fmt.Sprintf("%s: main has %d lines, at most %d: what it does must be reachable by tests", f.name, n, maxMain))
		}
	}
	return faults
}

// sleeps finds tests that wait by the clock: they are slow on a fast machine
// and fail on a slow one.
func (f file) sleeps(dir string) []string {
	if !f.test && !isSuite(dir) {
		return nil
	}
	var faults []string
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Sleep" {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" {
				faults = append(faults, fmt.Sprintf("%s: a test sleeps: wait on a signal", f.fset.Position(s.Pos())))
			}
		}
		return true
	})
	return faults
}

// imports holds the arrows between packages.
func (t tree) imports(p *pkg) []string {
	var faults []string
	if floorOf(p.dir) == unknown && slices.ContainsFunc(p.files, func(f file) bool { return !f.test }) {
		faults = append(faults, p.dir+": nobody knows where it stands: enter it in the house of layout_rules_test.go")
	}
	for _, f := range p.files {
		for _, spec := range f.ast.Imports {
			to := strings.Trim(spec.Path.Value, `"`)
			if why := confinedFault(p.dir, to); why != "" {
				faults = append(faults, fmt.Sprintf("%s imports %s: %s", f.name, to, why))
			}
			if f.test {
				continue // tests may put anything together
			}
			if why := arrowFault(p.dir, to); why != "" {
				faults = append(faults, fmt.Sprintf("%s imports %s: %s", f.name, to, why))
			}
		}
	}
	for _, r := range distances {
		if p.dir != r.from {
			continue
		}
		if way := t.way(r.from, r.to); way != nil {
			faults = append(faults, fmt.Sprintf("%s depends on %s (%s): %s", r.from, r.to, strings.Join(way, " -> "), r.why))
		}
	}
	return faults
}

// way is the shortest chain of imports from one package to another (or to
// one below it), nil when there is none. Tests do not count.
func (t tree) way(from, to string) []string {
	before := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if at != from && within(at, to) {
			var way []string
			for ; at != ""; at = before[at] {
				way = append([]string{at}, way...)
			}
			return way
		}
		if t.packages[at] == nil {
			continue
		}
		for _, f := range t.packages[at].files {
			for _, spec := range f.ast.Imports {
				next, ours := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module+"/")
				if _, seen := before[next]; ours && !seen && !f.test {
					before[next] = at
					queue = append(queue, next)
				}
			}
		}
	}
	return nil
}

// within tells whether dir is folder or lies below it.
func within(dir, folder string) bool { return dir == folder || strings.HasPrefix(dir, folder+"/") }
