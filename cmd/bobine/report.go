package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"bobine/cmd/internal/api"
	"bobine/configs"
	"bobine/encoder"
	"bobine/queue"
)

// report tells a person all of one job.
// all tells every check by itself, and not only one of each kind.
func (a *app) report(c configs.Config, j api.Job, all bool) {
	w := a.out
	field := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%s%s\n", colour(w, faint, fmt.Sprintf("%-11s", name)), clean(fmt.Sprintf(format, args...)))
	}
	field("job", "%s  %s", j.ID, fit(j.Title, columns-13-len(j.ID)))
	fmt.Fprintf(w, "%s%s\n", colour(w, faint, fmt.Sprintf("%-11s", "state")), state(w, j))
	field("partner", "%s, profile %s", j.Partner, j.Profile)
	if took := lasted(j); took > 0 {
		field("took", "%s in %d attempts at tasks", span(took), j.Attempts)
	}
	eta := ""
	if j.ETA != nil {
		eta = ", done about " + clock(*j.ETA)
	}
	if j.ETALate != nil {
		eta += ", nine times of ten by " + clock(*j.ETALate)
	}
	field("deadline", "%s, slack %s", clock(j.Deadline), span(time.Duration(j.Slack*float64(time.Second))))
	if eta != "" {
		field("end", "%s", strings.TrimPrefix(eta, ", "))
	}
	if s := j.Source; s != nil {
		field("source", "%s", sourceLine(*s))
	}
	for _, c := range j.Copies {
		field("copy", "%s, %d files, %s, proved %s", c.To, c.Files, bytesText(c.Bytes), clock(c.Verified))
	}
	for _, warning := range j.Warnings {
		field("warning", "%s", warning)
	}
	if e := j.Error; e != nil {
		field("error", "%s (%s)", e.Message, e.Code)
		if e.Hint != "" {
			field("what to do", "%s", e.Hint)
		}
		if e.Task != "" {
			field("task", "%s", e.Task)
		}
		for line := range strings.Lines(e.Log) {
			fmt.Fprintf(w, "  | %s\n", clean(strings.TrimRight(line, "\r\n")))
		}
	}
	a.reportOutputs(c, j, field)
	renditions(w, j.Renditions)
	checks(w, j.Checks, all)
	tasks(w, j.Tasks)
}

func (a *app) reportOutputs(c configs.Config, j api.Job, field func(name, format string, args ...any)) {
	o := j.Outputs
	if o == nil {
		return
	}
	// On this machine the files can be named; else the farm serves them.
	at := strings.TrimSuffix(o.Play, "/play/"+j.ID) + "/"
	if dir, err := filepath.Abs(filepath.Join(storeDir(c), filepath.FromSlash(o.Root))); err == nil {
		if _, err := os.Stat(dir); err == nil {
			at = strings.TrimSuffix(dir, filepath.FromSlash(o.Root))
		}
	}
	if o.Master != "" {
		field("HLS", "%s%s", at, o.Master)
	}
	if o.Manifest != "" {
		field("DASH", "%s%s", at, o.Manifest)
	}
	for _, d := range o.Downloads {
		field("MP4", "%s%s", at, d)
	}
	if o.Poster != "" {
		field("poster", "%s%s", at, o.Poster)
	}
	if o.Storyboard != "" {
		field("storyboard", "%s%s", at, o.Storyboard)
	}
	field("record", "%s%s", at, o.Record)
	if o.Files > 0 {
		field("files", "%d, each put once", o.Files)
	}
	field("play", "%s", o.Play)
}

// storeDir is where a farm on this machine keeps what it publishes.
func storeDir(c configs.Config) string {
	return cmp.Or(c.Storage.Outputs, filepath.Join(c.Data, "store"))
}

func state(w io.Writer, j api.Job) string {
	s := string(j.State)
	switch j.State {
	case queue.Done:
		return colour(w, green, s)
	case queue.Failed, queue.Rejected:
		return colour(w, red, s) + ", " + clean(j.Stage)
	case queue.Cancelled:
		return colour(w, yellow, s)
	}
	return fmt.Sprintf("%s, %s, %s", s, percent(j.Progress), clean(j.Stage))
}

// lasted is from the acceptance to the end; 0 while it runs.
func lasted(j api.Job) time.Duration {
	if j.Ended == nil {
		return 0
	}
	return j.Ended.Sub(j.Created)
}

func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

func sourceLine(s api.Source) string {
	parts := []string{span(time.Duration(s.Duration * float64(time.Second)))}
	if v := s.Video; v != nil {
		parts = append(parts, fmt.Sprintf("%s %dx%d at %.5g fps", v.Codec, v.Width, v.Height, v.FPS))
	}
	for _, t := range s.Audio {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s %d ch %s", t.Codec, t.Channels, t.Language)))
	}
	return strings.Join(append(parts, bytesText(s.Bytes)), ", ")
}

func renditions(w io.Writer, made []api.Rendition) {
	if len(made) == 0 {
		return
	}
	rows := [][]string{{"RENDITION", "SIZE", "CODEC", "FPS", "MEAN", "PEAK", "BYTES"}}
	for _, r := range made {
		shape, fps := fmt.Sprintf("%dx%d", r.Width, r.Height), fmt.Sprintf("%.5g", r.FPS)
		switch {
		case r.Codec == encoder.WebVTT:
			shape, fps = fmt.Sprintf("%d cues", r.Frames), ""
		case r.Width == 0:
			shape, fps = fmt.Sprintf("%d ch", r.Channels), ""
		}
		rows = append(rows, []string{fit(r.Name, 14), shape, r.Codec, fps, rate(r.AverageBandwidth), rate(r.Bandwidth), bytesText(r.Bytes)})
	}
	fmt.Fprintln(w)
	table(w, map[int]bool{3: true, 4: true, 5: true, 6: true}, rows...)
}

func rate(b int64) string { return fmt.Sprintf("%d kbit/s", (b+500)/1000) }

// checks tells each check that failed, and those that passed by the first
// word of their names unless each is asked for: a film has dozens, one for
// each rung and rule.
func checks(w io.Writer, all []api.Check, each bool) {
	if len(all) == 0 {
		return
	}
	var order []string
	folded := false
	passed := map[string][]api.Check{}
	fmt.Fprintln(w)
	const text = 18
	line := func(mark, name, detail string) {
		fmt.Fprintf(w, "%s  %-11s ", mark, fit(name, 30))
		if utf8.RuneCountInString(name) > text-7 {
			fmt.Fprintf(w, "\n%*s", text, "")
		}
		wrap(w, text, detail)
	}
	for _, c := range all {
		if !c.OK {
			line(colour(w, red, "FAIL"), c.Name, "")
			fmt.Fprintf(w, "      %s\n", clean(c.Detail))
			continue
		}
		rule, _, _ := strings.Cut(c.Name, " ")
		if each {
			rule = c.Name
		}
		if passed[rule] == nil {
			order = append(order, rule)
		}
		passed[rule] = append(passed[rule], c)
	}
	for _, rule := range order {
		detail := passed[rule][0].Detail
		if n := len(passed[rule]); n > 1 {
			detail = fmt.Sprintf("%d passed; %s", n, detail)
			folded = true
		}
		line(colour(w, green, "ok  "), rule, detail)
	}
	if folded {
		fmt.Fprintln(w, "\none check of each kind is told; all of them: --checks")
	}
}

func tasks(w io.Writer, all []api.Task) {
	if len(all) == 0 {
		return
	}
	rows := [][]string{{"TASK", "STATE", "TRY", "DONE", "LAST FAULT"}}
	for _, t := range all {
		kind, why := string(t.Kind), ""
		if t.Kind == queue.KindVideo {
			kind = fmt.Sprintf("%s %d", t.Kind, t.Chunk)
		}
		if t.Fault != nil {
			why = t.Fault.Message
		}
		if t.Again != nil {
			why = "again at " + t.Again.Local().Format(time.TimeOnly) + ": " + why
		}
		rows = append(rows, []string{kind, string(t.State), fmt.Sprint(t.Attempt), percent(t.Progress), fit(why, 44)})
	}
	fmt.Fprintln(w)
	table(w, map[int]bool{2: true, 3: true}, rows...)
}
