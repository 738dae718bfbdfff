package encoder

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// params are what a job may have otherwise than its profile says, by name. A
// codec's own may be given for it alone, as in hevc.crf.
var params = map[string]func(p *Profile, codec, value string) error{
	"crf": func(p *Profile, codec, value string) error {
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return errors.New("want a number such as 23")
		}
		return p.each(codec, true, func(v *VideoProfile) {
			for i := range v.Rungs {
				v.Rungs[i].CRF = n
			}
		})
	},
	"preset": func(p *Profile, codec, value string) error {
		return p.each(codec, true, func(v *VideoProfile) {
			v.Preset = value
			for i := range v.Rungs {
				v.Rungs[i].Preset = ""
			}
		})
	},
	"max_height": func(p *Profile, codec, value string) error {
		n, err := strconv.Atoi(value)
		if err != nil {
			return errors.New("want a number of pixels such as 720")
		}
		return p.each(codec, false, func(v *VideoProfile) {
			v.Rungs = slices.DeleteFunc(v.Rungs, func(r Rung) bool { return r.Height > n })
		})
	},
	"max_fps": func(p *Profile, codec, value string) error {
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return errors.New("want pictures in a second such as 30")
		}
		return p.each(codec, false, func(v *VideoProfile) {
			v.MaxFPS = n
			for i := range v.Rungs {
				v.Rungs[i].MaxFPS = min(v.Rungs[i].MaxFPS, n)
			}
		})
	},
	"segment": func(p *Profile, _, value string) (err error) {
		p.Segment, err = duration(value)
		return err
	},
	"gop": func(p *Profile, _, value string) (err error) {
		p.GOP, err = duration(value)
		return err
	},
	"audio.bitrate": func(p *Profile, _, value string) error {
		digits, thousands := strings.CutSuffix(value, "k")
		n, err := strconv.ParseInt(digits, 10, 32)
		if err != nil {
			return errors.New("want bits in a second such as 128k")
		}
		if thousands {
			n *= 1000
		}
		p.Audio.Bitrate = n
		return nil
	},
	"outputs": func(p *Profile, _, value string) error {
		p.Outputs = strings.Split(value, ",")
		return nil
	},
	"damaged": func(p *Profile, _, value string) error {
		p.Damaged = value
		return nil
	},
	"dolby_only": func(p *Profile, _, value string) error {
		p.DolbyOnly = value
		return nil
	},
}

func duration(value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err != nil {
		return 0, errors.New("want a duration such as 6s")
	}
	return d, nil
}

// each changes the codec of that name, or all. What means something else to
// each must name one where there are several.
func (p *Profile) each(codec string, own bool, change func(*VideoProfile)) error {
	var names []string
	for _, v := range p.Video {
		names = append(names, v.Codec)
	}
	if codec == "" && own && len(names) > 1 {
		return fmt.Errorf("the profile has several codecs: say for which, of %s, as in %s.crf", strings.Join(names, ", "), names[0])
	}
	if codec != "" && !slices.Contains(names, codec) {
		return fmt.Errorf("the profile has no %s, only %s", codec, strings.Join(names, ", "))
	}
	for i := range p.Video {
		if codec == "" || p.Video[i].Codec == codec {
			change(&p.Video[i])
		}
	}
	if codec == "" {
		p.Video = slices.DeleteFunc(p.Video, func(v VideoProfile) bool { return len(v.Rungs) == 0 })
	}
	return nil
}

// With is the profile with parameters a job gives by name. Its error names
// each that is unknown or cannot be read; whether the values make sense
// together is for whoever checks profiles. The profile itself is not changed.
func (p Profile) With(values map[string]string) (Profile, error) {
	p.Video = slices.Clone(p.Video)
	for i := range p.Video {
		p.Video[i].Rungs = slices.Clone(p.Video[i].Rungs)
	}
	var wrong []error
	for _, name := range slices.Sorted(maps.Keys(values)) {
		codec, short := "", name
		if set := params[name]; set == nil {
			if codec, short, _ = strings.Cut(name, "."); !slices.Contains([]string{"crf", "preset", "max_height", "max_fps"}, short) {
				wrong = append(wrong, fmt.Errorf("there is no parameter %q, only %s", name, strings.Join(slices.Sorted(maps.Keys(params)), ", ")))
				continue
			}
		}
		if err := params[short](&p, codec, values[name]); err != nil {
			wrong = append(wrong, fmt.Errorf("parameter %s is %q: %w", name, values[name], err))
		}
	}
	return p, errors.Join(wrong...)
}
