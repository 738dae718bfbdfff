package ingest

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"bobine/queue"
)

// tus reads a hook of tusd. The metadata of an upload may bear filename or
// title, reference, profile and deadline.
func tus(body []byte, now time.Time) (Told, error) {
	told := Told{Tus: true}
	var hook struct {
		Type  string
		Event struct {
			Upload struct {
				Size           int64
				SizeIsDeferred bool
				MetaData       map[string]string
				IsPartial      bool
				Storage        struct{ Type, Bucket, Key, Path string }
			}
		}
	}
	if err := json.Unmarshal(body, &hook); err != nil {
		return told, malformed("body.Event", "%s", typeFault(err))
	}
	up := hook.Event.Upload
	if up.IsPartial || hook.Type != "pre-create" && hook.Type != "post-finish" {
		return told, nil // the upload that is made of the parts is told of too
	}
	n, wrong := described(up.MetaData, now)
	n.Way, n.Bytes = queue.ByTus, max(up.Size, 0)
	if hook.Type == "pre-create" {
		if up.Size == 0 && !up.SizeIsDeferred {
			wrong = append(wrong, Field{"body.Event.Upload.Size", "is 0: an empty file is no film"})
		}
		told.Ask = &n
	} else {
		var err error
		switch s := up.Storage; s.Type {
		case "s3store":
			n.Source, err = Object(s.Bucket, s.Key)
		case "filestore":
			n.Source, err = File(s.Path)
		default:
			err = fmt.Errorf("has the type %.40q; known are s3store and filestore", s.Type)
		}
		if err != nil {
			wrong = append(wrong, Field{"body.Event.Upload.Storage", err.Error()})
		}
		told.Notices = []queue.Notice{n}
	}
	if len(wrong) > 0 {
		return Told{Tus: true, Ask: told.Ask}, &Malformed{wrong}
	}
	return told, nil
}

// described takes what an upload's metadata says of the film.
func described(meta map[string]string, now time.Time) (n queue.Notice, wrong []Field) {
	at := func(key string) string { return "body.Event.Upload.MetaData." + key }
	text := func(key string, most int) string {
		s := meta[key]
		if utf8.RuneCountInString(s) > most || strings.ContainsFunc(s, control) {
			wrong = append(wrong, Field{at(key), fmt.Sprintf("has a control character, or more than %d characters", most)})
		}
		return s
	}
	n.Title, n.Reference, n.Profile = text("title", maxTitle), text("reference", maxName), text("profile", maxName)
	if name := text("filename", maxTitle); n.Title == "" {
		n.Title = strings.TrimSuffix(name, path.Ext(name))
	}
	var err error
	if n.Deadline, err = deadline(text("deadline", maxName), now); err != nil {
		wrong = append(wrong, Field{at("deadline"), err.Error()})
	}
	return n, wrong
}

// Refusal is what tells tusd not to begin an upload, and its client why.
func Refusal(why string) []byte {
	const most = 500 // characters, each of up to seven bytes when it is escaped twice: tusd reads 5 KiB of an answer
	if utf8.RuneCountInString(why) > most {
		why = string([]rune(why)[:most]) + "…"
	}
	text, _ := json.Marshal(map[string]any{"title": "Unprocessable Entity", "status": 422, "detail": why}) // strings and a number
	type response struct {
		StatusCode int
		Body       string
		Header     map[string]string
	}
	answer, _ := json.Marshal(struct {
		RejectUpload bool
		HTTPResponse response
	}{true, response{422, string(text), map[string]string{"Content-Type": "application/problem+json"}}})
	return answer
}
