"""The report as a PDF of A4 pages; the same content gives the same bytes."""

from __future__ import annotations

import io
from datetime import UTC, datetime, time
from pathlib import Path

from fpdf import FPDF, FontFace
from fpdf.enums import TableBordersLayout, XPos, YPos

from pipelines.report.content import Figure, Report, Section, Table
from pipelines.sentences import shorten

FONT = "DejaVu"
WORD_COLOURS = {"yes": (0, 85, 138), "no": (166, 68, 0)}
OTHER_WORD = (89, 89, 89)
GREY = (85, 85, 85)
BLACK = (27, 27, 27)
FIGURE_MM = 145
MOST_OF_A_CELL = 600


def render_pdf(report: Report) -> bytes:
    """Return the document. Its fonts are those that come with matplotlib, inside the file."""
    pdf = _Pages(report)
    pdf.add_page()
    if report.label:
        pdf.set_fill_color(255, 243, 196)
        pdf.set_font(FONT, "B", 10)
        _line(pdf, report.label, 7, fill=True)
    pdf.set_font(FONT, "B", 19)
    _line(pdf, report.title, 12)
    pdf.set_font(FONT, "", 8.5)
    for name, value in report.facts:
        pdf.set_text_color(*GREY)
        pdf.cell(22, 4.6, name)
        pdf.set_text_color(*BLACK)
        _line(pdf, value, 4.6)
    for section in report.sections:
        _section(pdf, section)
    pdf.ln(6)
    pdf.set_text_color(*GREY)
    pdf.set_font(FONT, "", 8)
    _line(pdf, report.notice, 4.4)
    return bytes(pdf.output())


class _Pages(FPDF):
    """Pages with the date, the label and their number at the foot."""

    def __init__(self, report: Report) -> None:
        super().__init__(format="A4")
        self._foot = f"as of {report.as_of}" + (" · SIMULATED DATA" if report.label else "")
        fonts = _font_folder()
        self.add_font(FONT, "", fonts / "DejaVuSans.ttf")
        self.add_font(FONT, "B", fonts / "DejaVuSans-Bold.ttf")
        self.set_title(report.title + (" (simulated)" if report.label else ""))
        self.set_lang("en")
        self.set_creation_date(datetime.combine(report.as_of, time(), UTC))
        self.set_margin(16)
        self.set_auto_page_break(True, margin=18)
        self.set_text_color(*BLACK)

    def footer(self) -> None:
        """Draw the foot of a page."""
        self.set_y(-12)
        self.set_font(FONT, "", 7.5)
        self.set_text_color(*GREY)
        self.cell(0, 5, self._foot)
        self.set_x(self.l_margin)
        self.cell(0, 5, f"{self.page_no()} / {{nb}}", align="R")
        self.set_text_color(*BLACK)


def _font_folder() -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf"


def _section(pdf: FPDF, section: Section) -> None:
    room = 95 if section.figures else 45
    if pdf.will_page_break(room):
        pdf.add_page()
    else:
        pdf.ln(6)
    pdf.start_section(section.title)
    pdf.set_font(FONT, "B", 13)
    pdf.cell(pdf.get_string_width(section.title) + 3, 8, section.title)
    if section.word:
        pdf.set_font(FONT, "B", 9)
        pdf.set_fill_color(*WORD_COLOURS.get(section.word, OTHER_WORD))
        pdf.set_text_color(255, 255, 255)
        word = section.word.upper()
        pdf.set_xy(pdf.get_x(), pdf.get_y() + 1.2)
        pdf.cell(pdf.get_string_width(word) + 4, 5.6, word, fill=True, align="C")
        pdf.set_text_color(*BLACK)
    pdf.ln(9)
    if section.lead:
        pdf.set_font(FONT, "", 10.5)
        _line(pdf, section.lead, 5.4)
    pdf.set_font(FONT, "", 9)
    for point in section.points:
        pdf.cell(4, 4.8, "•")
        _line(pdf, point, 4.8)
    for figure in section.figures:
        _figure(pdf, figure)
    for table in section.tables:
        _table(pdf, table)


def _figure(pdf: FPDF, figure: Figure) -> None:
    pdf.ln(2)
    pdf.image(io.BytesIO(figure.png), w=FIGURE_MM, alt_text=figure.caption)
    pdf.set_font(FONT, "", 7.5)
    pdf.set_text_color(*GREY)
    _line(pdf, figure.caption, 4.2)
    pdf.set_text_color(*BLACK)


def _table(pdf: FPDF, table: Table) -> None:
    pdf.ln(3)
    if table.title:
        pdf.set_font(FONT, "B", 9)
        _line(pdf, table.title, 5.4)
    pdf.set_font(FONT, "", 7)
    pdf.set_fill_color(255, 255, 255)  # cells take the last colour otherwise
    aligned = tuple("RIGHT" if name in table.numbers else "LEFT" for name in table.columns)
    with pdf.table(
        col_widths=table.widths,
        text_align=aligned,
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        headings_style=FontFace(emphasis="BOLD"),
        line_height=3.6,
        padding=0.6,
    ) as drawn:
        for cells in (table.columns, *table.rows):
            drawn.row([_breakable(cell) for cell in cells])
    if table.note:
        pdf.set_font(FONT, "", 7.5)
        pdf.set_text_color(*GREY)
        _line(pdf, table.note, 4.2)
        pdf.set_text_color(*BLACK)


def _breakable(cell: str) -> str:
    """Let long names break after an underscore or a dot; no row is higher than a page."""
    cell = shorten(cell, MOST_OF_A_CELL)
    return cell.replace("_", "_\u200b").replace(".", ".\u200b") if len(cell) > 24 else cell


def _line(pdf: FPDF, text: str, height: float, *, fill: bool = False) -> None:
    pdf.multi_cell(
        0, height, text, fill=fill, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT,
        padding=(0, 2, 0, 2) if fill else 0,
    )  # fmt: skip
