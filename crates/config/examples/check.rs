fn main() {
    let path = std::env::args().nth(1).expect("file");
    let options = vipd_config::Options::default();
    let loaded = vipd_config::load(std::path::Path::new(&path), &options);
    print!("{}", vipd_config::render_text(&loaded, vipd_config::Color::Never));
    println!("{:#?}", loaded.config);
}
