package ffmpeg

import (
	"encoding/json"
	"testing"

	"bobine/encoder"
)

// Whatever ffprobe says of a file, reading it ends, and a source that is taken
// has numbers a ladder can be made of.
func FuzzHeader(f *testing.F) {
	f.Add([]byte(`{"streams":[{"index":0,"codec_type":"video","codec_name":"h264","width":1920,"height":1080,"sample_aspect_ratio":"1:1",` +
		`"r_frame_rate":"24/1","nb_frames":"720","duration":"30.0","start_time":"0","side_data_list":[{"rotation":-90}]},` +
		`{"index":1,"codec_type":"audio","codec_name":"aac","sample_rate":"48000","channels":6,"channel_layout":"5.1","duration":"30.0","tags":{"language":"eng"}}],` +
		`"format":{"format_name":"mov,mp4,m4a,3gp,3g2,mj2","start_time":"0"}}`))
	f.Add([]byte(`{"streams":[{"codec_type":"video","codec_name":"x","width":-1,"height":99999999,"sample_aspect_ratio":"0:0","r_frame_rate":"1/0","nb_frames":"-5","duration":"NaN"}],"format":{}}`))
	f.Add([]byte(`{"streams":[{"codec_type":"audio","codec_name":"aac","sample_rate":"1e9","channels":255,"duration":"-inf"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var h header
		if json.Unmarshal(b, &h) != nil {
			return
		}
		src := encoder.Source{Container: h.Format.Name}
		pick, err := choose(h, &src)
		if err != nil || !h.trusted(pick) || fromHeader(h, pick, &src) != nil {
			return
		}
		if v := src.Video; v != nil && (v.Width < 1 || v.Height < 1 || v.Rate.Float() <= 0 || v.Frames < 1) {
			t.Errorf("taken as %+v", *v)
		}
		for _, a := range src.Audio {
			if a.Channels < 1 || a.SampleRate < 1 {
				t.Errorf("taken as %+v", a)
			}
		}
	})
}
