"""Reads what patients write about clinics giving TMS, ketamine and Spravato.

Reviews come in from every place they are written, are freed of what identifies a patient, and are read for which
treatment and which themes they speak of, with what sentiment, and for what must be seen today. A monthly report for
quality managers and a board of quotes for marketing come out. pipeline/run.py is the map: the order of the work and what
each step reads and writes. Start there.
"""

import os

# A worker is a process of its own: more threads for sums this small cost more than they bring, and cost repeatability.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__all__: list[str] = []
