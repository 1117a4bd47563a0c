//! Curves as pictures: a curve in, an SVG out. Nothing of the system is used; the viewer has the fonts.

use anyhow::{Context as _, Result};
use plotters::{
    backend::SVGBackend,
    chart::ChartBuilder,
    drawing::IntoDrawingArea as _,
    element::Circle,
    series::LineSeries,
    style::{BLACK, Color as _, RGBColor, TRANSPARENT, WHITE},
};

use super::{
    curve::{Curve, Growth},
    row::Row,
    table::number,
};

/// Width and height in pixels.
const SIZE: (u32, u32) = (640, 360);
/// Room beyond the largest number.
const HEADROOM: f64 = 1.1;
/// Points of the fitted line.
const STEPS: u32 = 100;
const OURS: RGBColor = RGBColor(0x1f, 0x5f, 0xa8);
const FONT: &str = "sans-serif";

/// The picture of a row that has a curve.
///
/// # Errors
///
/// When it cannot be drawn.
pub(crate) fn svg(row: &Row, curve: &Curve) -> Result<String> {
    let mut text = String::new();
    draw(row, curve, &mut text).with_context(|| format!("failed to draw `{}`", row.name))?;
    // Plotters ends no line at the end.
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

fn draw(row: &Row, curve: &Curve, text: &mut String) -> Result<()> {
    let largest = |of: fn(&super::curve::Point) -> f64| {
        let all = curve.points.iter().map(of);
        HEADROOM * all.fold(f64::MIN_POSITIVE, f64::max)
    };
    let (right, top) = (
        largest(|point| point.size),
        largest(|point| point.measured.maximum),
    );
    let area = SVGBackend::with_string(text, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .caption(&row.name, (FONT, 18))
        .x_label_area_size(42)
        .y_label_area_size(74)
        .build_cartesian_2d(0.0..right, 0.0..top)?;
    chart
        .configure_mesh()
        .x_desc(&curve.axis)
        .y_desc(&row.unit)
        .label_style((FONT, 13))
        .axis_desc_style((FONT, 14))
        .x_label_formatter(&|size| number(*size))
        .y_label_formatter(&|cost| number(*cost))
        .light_line_style(TRANSPARENT)
        .draw()?;
    if let Growth::Linear(fit) | Growth::Power(fit) = curve.growth() {
        let sizes = (0..=STEPS).map(|step| right * f64::from(step) / f64::from(STEPS));
        let line = sizes.map(|size| (size, fit.at(size)));
        chart.draw_series(LineSeries::new(
            line.filter(|(_, cost)| *cost <= top),
            OURS.mix(0.5).stroke_width(2),
        ))?;
    }
    for point in &curve.points {
        let measured = &point.measured;
        // From the smallest to the largest.
        chart.draw_series(LineSeries::new(
            [measured.minimum, measured.maximum].map(|cost| (point.size, cost)),
            BLACK,
        ))?;
        chart.draw_series([Circle::new((point.size, measured.median), 4, OURS.filled())])?;
    }
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            curve::tests::curve,
            row::{Bound, tests::row},
        },
        *,
    };

    #[test]
    fn a_picture_has_each_point_and_names_its_axes() {
        let row = row(1.0, None, &[], Bound::Linear);
        let curve = curve(|size| 300.0 + 2.0 * size);
        let text = svg(&row, &curve).unwrap();
        assert_eq!(text.matches("<circle").count(), curve.points.len());
        for word in ["event/block", "instructions", "probes"] {
            assert!(text.contains(word), "{word} is not in {text}");
        }
    }
}
