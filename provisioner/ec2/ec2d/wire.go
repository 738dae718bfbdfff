package ec2d

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// form is what a call asks for: flat names such as Filter.1.Value.2.
type form url.Values

func (f form) get(name string) string { return url.Values(f).Get(name) }

// list is the flat list of a name: Name.1, Name.2, …
func (f form) list(name string) []string {
	var out []string
	for n := 1; ; n++ {
		v, ok := f[name+"."+strconv.Itoa(n)]
		if !ok {
			return out
		}
		out = append(out, v[0])
	}
}

// under is what stands below a name, such as LaunchTemplateConfigs.1.
func (f form) under(name string) form {
	out := form{}
	for k, v := range f {
		if rest, ok := strings.CutPrefix(k, name+"."); ok {
			out[rest] = v
		}
	}
	return out
}

// each is what stands below each number of a name.
func (f form) each(name string) []form {
	var out []form
	for n := 1; ; n++ {
		u := f.under(name + "." + strconv.Itoa(n))
		if len(u) == 0 {
			return out
		}
		out = append(out, u)
	}
}

// filters are the values of each filter by its name.
func (f form) filters() map[string][]string {
	out := map[string][]string{}
	for _, x := range f.each("Filter") {
		out[x.get("Name")] = x.list("Value")
	}
	return out
}

// only refuses what a call may not say.
func (f form) only(names ...string) error {
	for k := range f {
		head, _, _ := strings.Cut(k, ".")
		if !slices.Contains(append(names, "Action", "Version", "DryRun", "MaxResults", "NextToken"), head) {
			return bad("UnknownParameter", "The parameter "+k+" is not recognized")
		}
	}
	return nil
}

// failure is an error of the service.
type failure struct {
	code, message string
	status        int
}

func (e *failure) Error() string { return e.code + ": " + e.message }

func bad(code, message string) *failure { return &failure{code, message, http.StatusBadRequest} }

func (e *failure) with(status int) *failure { e.status = status; return e }

func refuse(w http.ResponseWriter, status int, code, message string) {
	answer(w, status, "Response", struct {
		Code    string `xml:"Errors>Error>Code"`
		Message string `xml:"Errors>Error>Message"`
		ID      string `xml:"RequestID"`
	}{code, message, "request"})
}

func answer(w http.ResponseWriter, status int, root string, v any) {
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	w.WriteHeader(status)
	_ = xml.NewEncoder(w).EncodeElement(v, xml.StartElement{Name: xml.Name{Local: root}}) // the client is gone
}

// page cuts one page out of all answers.
func page[T any](s *Server, f form, all []T) (out []T, next string, err error) {
	from, most := 0, len(all)
	if token := f.get("NextToken"); token != "" {
		if from, err = strconv.Atoi(strings.TrimPrefix(token, "after-")); err != nil || from > len(all) {
			return nil, "", bad("InvalidNextToken", "The token "+token+" is not valid")
		}
	}
	if n, err := strconv.Atoi(f.get("MaxResults")); err == nil {
		if n < 5 || n > 1000 {
			return nil, "", bad("InvalidParameterValue", fmt.Sprintf("Value ( %d ) for parameter maxResults is invalid. Expecting a value between 5 and 1000.", n))
		}
		most = n
	}
	if s.o.Page > 0 {
		most = min(most, s.o.Page)
	}
	to := min(from+most, len(all))
	if to < len(all) {
		next = fmt.Sprintf("after-%d", to)
	}
	return all[from:to], next, nil
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
