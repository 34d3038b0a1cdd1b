"""Charts as SVG, made by the server: functions from numbers to shapes, which `macros/charts.html` draws."""
