package packaging

import (
	"encoding/xml"
	"fmt"
	"path"
	"strings"
)

// MPD is the part of a DASH manifest that bobine writes, ISO/IEC 23009-1.
// The order of fields is the one its schema asks for.
type MPD struct {
	XMLName   xml.Name `xml:"urn:mpeg:dash:schema:mpd:2011 MPD"`
	Profiles  string   `xml:"profiles,attr"`
	Type      string   `xml:"type,attr"`
	Duration  string   `xml:"mediaPresentationDuration,attr"` // such as PT30.000000S
	MinBuffer string   `xml:"minBufferTime,attr"`
	Periods   []Period `xml:"Period"`
}

// Period is the film: bobine writes one.
type Period struct {
	ID    string          `xml:"id,attr"`
	Start string          `xml:"start,attr"`
	Sets  []AdaptationSet `xml:"AdaptationSet"`
}

// AdaptationSet holds what a player may switch between.
type AdaptationSet struct {
	ID              int              `xml:"id,attr"`
	ContentType     string           `xml:"contentType,attr"`
	MimeType        string           `xml:"mimeType,attr"`
	Language        string           `xml:"lang,attr,omitempty"`
	Aligned         bool             `xml:"segmentAlignment,attr"`
	StartWithSAP    int              `xml:"startWithSAP,attr"`
	Label           string           `xml:"Label,omitempty"`
	Role            *Descriptor      `xml:"Role"`
	Representations []Representation `xml:"Representation"`
}

// Descriptor is a property out of a scheme.
type Descriptor struct {
	Scheme string `xml:"schemeIdUri,attr"`
	Value  string `xml:"value,attr"`
}

// Representation is one rendition.
type Representation struct {
	ID         string      `xml:"id,attr"`
	Codecs     string      `xml:"codecs,attr,omitempty"`
	Bandwidth  int64       `xml:"bandwidth,attr"`
	Width      int         `xml:"width,attr,omitempty"`
	Height     int         `xml:"height,attr,omitempty"`
	FrameRate  string      `xml:"frameRate,attr,omitempty"`
	SAR        string      `xml:"sar,attr,omitempty"`
	SampleRate int         `xml:"audioSamplingRate,attr,omitempty"`
	Channels   *Descriptor `xml:"AudioChannelConfiguration"`
	Essential  *Descriptor `xml:"EssentialProperty"`
	BaseURL    string      `xml:"BaseURL,omitempty"`
	List       SegmentList `xml:"SegmentList"`

	Template *SegmentTemplate `xml:"SegmentTemplate"` // of images, which carry no attempt
}

// SegmentTemplate names segments of equal duration by their number.
type SegmentTemplate struct {
	Media     string `xml:"media,attr"`
	Timescale int64  `xml:"timescale,attr"`
	Duration  int64  `xml:"duration,attr"`
	Start     int64  `xml:"startNumber,attr"`
}

// SegmentList names every segment: names carry chunk and attempt, so that no
// template can.
type SegmentList struct {
	Timescale int64          `xml:"timescale,attr"`
	Offset    int64          `xml:"presentationTimeOffset,attr"`
	Init      Initialization `xml:"Initialization"`
	Timeline  Timeline       `xml:"SegmentTimeline"`
	Segments  []SegmentURL   `xml:"SegmentURL"`
}

// Initialization names the init segment.
type Initialization struct {
	URL string `xml:"sourceURL,attr"`
}

// Timeline is how long the segments last.
type Timeline struct {
	Runs []Run `xml:"S"`
}

// Run is Repeat+1 segments of equal duration, in ticks.
type Run struct {
	Time     *int64 `xml:"t,attr"` // absent: where the run before ends
	Duration int64  `xml:"d,attr"`
	Repeat   int64  `xml:"r,attr,omitempty"`
}

// SegmentURL names a media segment.
type SegmentURL struct {
	Media string `xml:"media,attr"`
}

// manifest is the DASH manifest over the same segments as the playlists.
func (f Film) manifest() []byte {
	var longest float64
	p := Period{ID: "0", Start: "PT0S"}
	for r := range f.Reels() {
		for _, s := range r.Segments() {
			longest = max(longest, r.Seconds(s.Duration))
		}
	}
	for i, r := range f.Video {
		rep := representation(r)
		rep.Width, rep.Height, rep.SAR = r.Width, r.Height, "1:1"
		rep.FrameRate = strings.TrimSuffix(r.Rate.String(), "/1")
		// Players do not switch between codecs: each has a set of its own.
		if i == 0 || r.Codec != f.Video[i-1].Codec {
			p.Sets = append(p.Sets, AdaptationSet{ID: len(p.Sets), ContentType: "video", MimeType: "video/mp4", Aligned: true, StartWithSAP: 1})
		}
		set := &p.Sets[len(p.Sets)-1]
		set.Representations = append(set.Representations, rep)
	}
	for i, r := range f.Audio {
		rep := representation(r)
		rep.SampleRate = r.SampleRate
		rep.Channels = &Descriptor{"urn:mpeg:dash:23003:3:audio_channel_configuration:2011", fmt.Sprint(r.Channels)}
		role := "alternate"
		switch {
		case r.Access:
			role = "description"
		case i == 0:
			role = "main"
		}
		p.Sets = append(p.Sets, AdaptationSet{
			ID: len(p.Sets), ContentType: "audio", MimeType: "audio/mp4", Language: languageTag(r.Language),
			Aligned: true, StartWithSAP: 1, Role: &Descriptor{"urn:mpeg:dash:role:2011", role}, Label: f.soundTitles()[i],
			Representations: []Representation{rep},
		})
	}
	p.Sets = append(p.Sets, f.captionSets(len(p.Sets))...)
	if b := newBoard(f.Ladder); b != nil {
		p.Sets = append(p.Sets, f.boardSet(len(p.Sets), *b))
	}
	m := MPD{
		Profiles: "urn:mpeg:dash:profile:isoff-main:2011", Type: "static",
		Duration: fmt.Sprintf("PT%.6fS", f.Duration()), MinBuffer: fmt.Sprintf("PT%.3fS", longest),
		Periods: []Period{p},
	}
	b, err := xml.MarshalIndent(m, "", " ")
	if err != nil {
		panic(err) // plain strings and numbers: it cannot
	}
	return append(append([]byte(xml.Header), b...), '\n')
}

func representation(r Reel) Representation {
	l := SegmentList{Timescale: r.Timescale(), Offset: r.Parts[0].Segments[0].Start, Init: Initialization{r.Init()}}
	for name, s := range r.Segments() {
		l.Segments = append(l.Segments, SegmentURL{name})
		runs := l.Timeline.Runs
		if n := len(runs); n > 0 && runs[n-1].Duration == s.Duration {
			runs[n-1].Repeat++
			continue
		}
		run := Run{Duration: s.Duration}
		if len(runs) == 0 {
			run.Time = &s.Start
		}
		l.Timeline.Runs = append(runs, run)
	}
	return Representation{ID: path.Base(r.Folder), Codecs: r.Codecs(), Bandwidth: r.Peak(), BaseURL: r.Folder + "/", List: l}
}
