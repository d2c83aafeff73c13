"""Reads what patients write about clinics giving TMS, ketamine and Spravato.

Reviews come in from every place they are written, are freed of what identifies a patient, and are read for which
treatment and which themes they speak of, with what sentiment, and for what must be seen today. A monthly report for
quality managers and a board of quotes for marketing come out. pipeline/run.py is the map: the order of the work and what
each step reads and writes. Start there.
"""

__all__: list[str] = []
