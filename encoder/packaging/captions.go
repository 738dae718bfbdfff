package packaging

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"path"

	"bobine/encoder"
)

// TypeVTT is the content type of captions.
const TypeVTT = "text/vtt"

// subtitles lists the captions in a master playlist and gives the attribute
// by which a variant refers to them. None is shown unasked.
func (f Film) subtitles(b *bytes.Buffer) string {
	if len(f.Captions) == 0 {
		return ""
	}
	for i, r := range f.Captions {
		forced := ""
		if r.Forced {
			forced = ",FORCED=YES"
		}
		if r.Access {
			forced += `,CHARACTERISTICS="public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound"`
		}
		fmt.Fprintf(b, "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"captions\",NAME=\"%s\",LANGUAGE=\"%s\",DEFAULT=NO,AUTOSELECT=YES%s,URI=\"%s\"\n",
			f.captionTitles()[i], cmp.Or(languageTag(r.Language), "und"), forced, path.Join(r.Folder, playlistName))
	}
	return `,SUBTITLES="captions"`
}

// captionTitles are what a player's menu shows.
func (f Film) captionTitles() []string {
	return titles(f.Captions, func(r Reel) string {
		switch {
		case languageTag(r.Language) != "":
			return languageName(r.Language)
		case r.Channel > 0:
			return fmt.Sprintf("CC%d", r.Channel)
		}
		return "Captions"
	})
}

// captionSets are the captions in a manifest: each one file for all of the
// film, as players of DASH read them.
func (f Film) captionSets(firstID int) []AdaptationSet {
	var out []AdaptationSet
	for i, r := range f.Captions {
		role := "subtitle"
		switch {
		case r.Forced:
			role = "forced-subtitle"
		case r.Access:
			role = "caption"
		}
		out = append(out, AdaptationSet{
			ID: firstID + i, ContentType: "text", MimeType: TypeVTT, Language: languageTag(r.Language),
			Aligned: true, StartWithSAP: 1, Role: &Descriptor{"urn:mpeg:dash:role:2011", role}, Label: f.captionTitles()[i],
			Representations: []Representation{{
				// A sound may have the same name.
				ID: "captions-" + r.Name, Codecs: "wvtt", Bandwidth: max(1, r.Average()), BaseURL: path.Join(r.Folder, r.Sidecar()),
			}},
		})
	}
	return out
}

// MarshalXML leaves out a list without segments.
func (l SegmentList) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	if len(l.Segments) == 0 {
		return nil
	}
	type plain SegmentList
	return e.EncodeElement(plain(l), start)
}

// hasInit tells whether players need an init segment first.
func (r Reel) hasInit() bool { return r.Parts[0].Init != (encoder.File{}) }
