"""CaliNet (arXiv 2210.03329): calibration slots beside the FFN of one layer."""
