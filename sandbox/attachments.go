package sandbox

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"path"
)

// An attachment is a file in a message.
type attachment struct {
	ID       int64  `json:"id"`
	FileName string `json:"fileName"`
	MIMEType string `json:"mimeType"`
	URL      string `json:"url"`
}

// mimeTypes are those of the files that people send here.
var mimeTypes = map[string]string{".pdf": "application/pdf", ".png": "image/png", ".csv": "text/csv"}

// newAttachment makes an attachment for a file, whose content is made when it is asked for.
func newAttachment(id int64, name string) *attachment {
	return &attachment{id, name, mimeTypes[path.Ext(name)], fmt.Sprintf("https://driftapi.com/attachments/%d/data", id)}
}

// getAttachment answers the bytes of a file.
//
// GET /attachments/{id}/data
func (s *Sandbox) getAttachment(r *request) (answer, error) {
	id, _ := r.id()
	a := s.org.attachments[id]
	if a == nil {
		return answer{}, notFound("attachment %s does not exist", r.vars["id"])
	}
	var body []byte
	switch a.MIMEType {
	case "application/pdf":
		body = pdfPage(a.FileName)
	case "image/png":
		body = pngStripes(uint8(a.ID))
	default:
		body = []byte("id,file\n" + r.vars["id"] + "," + a.FileName + "\n")
	}
	return answer{status: http.StatusOK, contentType: a.MIMEType, body: body}, nil
}

// pdfPage makes a document of one page with one line of text.
func pdfPage(line string) []byte {
	content := fmt.Sprintf("BT /F1 18 Tf 72 720 Td (%s) Tj ET", line)
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(content), content),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
	}
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n")
	offsets := make([]int, len(objects))
	for i, object := range objects {
		offsets[i] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, object)
	}
	table := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, offset := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, table)
	return b.Bytes()
}

// pngStripes makes a small picture.
func pngStripes(shade uint8) []byte {
	picture := image.NewRGBA(image.Rect(0, 0, 96, 64))
	for y := range 64 {
		for x := range 96 {
			picture.SetRGBA(x, y, color.RGBA{shade, uint8(x/8) * 20, uint8(y/8) * 30, 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		panic(err) // a buffer takes everything
	}
	return b.Bytes()
}
